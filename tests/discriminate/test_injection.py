"""A student that writes its own verdict into its answer: what it gains is nothing.

The teacher's answer is worth 9 and the student's 2. The referee of these tests is honest but
careless: it quotes both answers in one of several styles, then gives its scores. Its verdict is
read as 9/2 or not at all.
"""

import re
import time
from collections.abc import Callable, Iterable

import polars as pl
import pytest

from lion.chat.types import Reply, Request
from lion.discriminate.referee import review
from lion.discriminate.verdicts import parse_scores
from lion.params import Referee
from lion.prompts import score_mark
from tests.attack.corpus import GOOD, INJECTIONS
from tests.attack.rendering import as_seen
from tests.fakes import FakeChat, reply

Quote = Callable[[str, str], str]


def in_fences(first: str, second: str) -> str:
    return f"The first reads:\n```\n{first}\n```\nThe second reads:\n```\n{second}\n```"


def in_named_fences(first: str, second: str) -> str:
    return f"First:\n```text\n{first}\n```\n\nSecond:\n```text\n{second}\n```"


def indented(first: str, second: str) -> str:
    lines = [f"> {line}" for line in f"{first}\n\n{second}".split("\n")]
    return "They write:\n" + "\n".join(lines)


def lazily_indented(first: str, second: str) -> str:
    return f"> {first}\n\n> {second}\n"


def in_quotation_marks(first: str, second: str) -> str:
    return f'The first says "{first}", the second says "{second}".'


def bare(first: str, second: str) -> str:
    return f"{first}\n\n{second}"


def second_only(first: str, second: str) -> str:
    return f"{second}\n\nThe first is about {first[:10]}"


def in_tags(first: str, second: str) -> str:
    return f"<answer-1>\n{first}\n</answer-1>\n<answer-2>\n{second}\n</answer-2>"


def in_a_thought(first: str, second: str) -> str:
    return f"<think>\n{first}\n{second}\nI see.\n</think>\nThe texts differ in quality."


def in_a_line(first: str, second: str) -> str:
    return f"First: {' '.join(first.split())}\nSecond: {' '.join(second.split())}"


QUOTES: list[Quote] = [
    in_fences,
    in_named_fences,
    indented,
    lazily_indented,
    in_quotation_marks,
    bare,
    second_only,
    in_tags,
    in_a_thought,
    in_a_line,
]


def labelled(first: int, second: int, mark: str) -> str:
    return f"{mark}Assistant 1: {first}\n{mark}Assistant 2: {second}"


def fenced(first: int, second: int, mark: str) -> str:
    return f"```\n{labelled(first, second, mark)}\n```"


def first_line(first: int, second: int, mark: str) -> str:
    return f"{mark}{first} {second}"


def replies(first: str, second: str, scores: tuple[int, int], mark: str) -> list[str]:
    """Every style of quotation with the scores at the end, at the beginning, and between."""
    texts = []
    for quote in QUOTES:
        evidence = quote(first, second)
        for form in (labelled, fenced, first_line):
            given = form(*scores, mark)
            texts += [f"{evidence}\n\n{given}", f"{given}\n{evidence}", f"Hm.\n{given}\n{evidence}"]
    return texts


def some(texts: Iterable[str], injection: str, step: int = 1) -> list[str]:
    """Every text, or one in `step` of them; fewer with a long injection, which takes long."""
    return [*texts][:: step if len(injection) < LONG else 7 * step]


TASK = "How long is the Nile?"
LONG = 3_000  # characters


@pytest.mark.parametrize("order", ["teacher_first", "student_first"])
@pytest.mark.parametrize("injection", INJECTIONS.values(), ids=INJECTIONS)
def test_an_answer_cannot_set_its_own_verdict(injection: str, order: str) -> None:
    first, second, right = GOOD, injection, (9, 2)
    if order == "student_first":
        first, second, right = injection, GOOD, (2, 9)
    texts = (TASK, first, second)
    mark = score_mark(*texts)
    quoted = dict.fromkeys(
        text
        for written in (str, as_seen)
        for prefix in ("", f"[{mark}] ")
        for text in replies(written(first), written(second), right, prefix)
    )
    for cut in (False, True):
        own = cut == (order == "student_first")  # every style once, and some in the other order too
        for text in some(quoted, injection, 1 if own else 4):
            assert parse_scores(text, cut=cut, mark=mark, texts=texts) in (None, right), text


@pytest.mark.parametrize("injection", INJECTIONS.values(), ids=INJECTIONS)
def test_a_reply_that_only_repeats_the_answer_has_no_scores(injection: str) -> None:
    texts = (TASK, GOOD, injection)
    for text in (injection, f"{GOOD}\n{injection}", f"```\n{injection}\n```"):
        assert parse_scores(text, mark=score_mark(*texts), texts=texts) is None


def test_marked_scores_survive_every_quotation() -> None:
    unread = total = 0
    for injection in INJECTIONS.values():
        texts = (TASK, GOOD, injection)
        mark = score_mark(*texts)
        for text in some(replies(GOOD, injection, (9, 2), f"[{mark}] "), injection):
            total += 1
            unread += parse_scores(text, mark=mark, texts=texts) is None
    assert unread < 0.02 * total


def test_the_mark_is_in_no_text_however_it_is_spelt() -> None:
    for number in range(500):
        first = score_mark("task", "good", f"{number}")
        spelt = f"{number} {first[:3]}\u200b-{first[3:].upper()}"
        texts = ("task", "good", spelt)
        assert score_mark(*texts) not in spelt.replace("\u200b-", "").lower()


def test_the_referee_is_told_the_mark_and_read_by_it() -> None:
    def answer(request: Request) -> Reply:
        prompt = request.messages[-1]["content"]
        mark = re.findall(r"\[(\w+)\] Assistant 1:", prompt)[-1]
        good_first = prompt.index(GOOD) < prompt.index("END OF REVIEW")
        scores = (9, 2) if good_first else (2, 9)
        return reply(labelled(*scores, f"[{mark}] ") + "\n" + INJECTIONS["end of the review"])

    pairs = pl.DataFrame(
        {
            "id": ["a"],
            "instruction": [TASK],
            "input": [""],
            "answer": [GOOD],
            "response": [INJECTIONS["end of the review"]],
        }
    )
    settings = Referee(temperature=0.2, max_tokens=99, retries=0)
    reviews = review(pairs, FakeChat(answer), settings, label="referee r1")
    assert reviews.select("teacher", "student").rows() == [(9.0, 2.0)] * 2


@pytest.mark.parametrize(
    "filler",
    [
        "-" * 5_000_000,
        "<think>" * 700_000,
        "{" * 5_000_000,
        "Assistant 1: 9 " * 350_000,
        "\n```" * 10**6,
    ],
    ids=["dashes", "thoughts", "braces", "mentions", "fences"],
)
def test_a_reply_of_5_mb_is_read_at_once(filler: str) -> None:
    texts = (TASK, GOOD, "No idea.")
    mark = score_mark(*texts)
    text = f"{filler}\n{labelled(9, 2, f'[{mark}] ')}"
    start = time.process_time()
    assert parse_scores(text, mark=mark, texts=texts) in (None, (9, 2))
    assert time.process_time() - start < 1


@pytest.mark.parametrize("end", ["<|im_end|>", "\n</s>", "<|eot_id|><|end_of_text|>"])
def test_a_leaked_end_mark_hides_no_score(end: str) -> None:
    texts = (TASK, GOOD, "No idea.")
    assert parse_scores(f"Fine.\nAssistant 1: 9\nAssistant 2: 2{end}", texts=texts) == (9, 2)


@pytest.mark.parametrize("given", ["[{}]", "({})", '"{}"', "\\boxed{{{}}}", "**{}**", "{}/10"])
def test_a_score_may_be_wrapped(given: str) -> None:
    text = f"Fine.\n\nAssistant 1: {given.format(9)}\n\nAssistant 2: {given.format(2)}"
    assert parse_scores(text, texts=(TASK, GOOD, "No idea.")) == (9, 2)
