"""Generation keeps the quota, the paper's rules and every reject with its reason."""

import hashlib
import itertools
from typing import Any

import polars as pl
import pytest

from lion.chat.types import Reply, Request
from lion.generate.drafts import Drafts
from lion.generate.generator import CONTAMINATED, generate, quotas
from lion.generate.sampling import Origin
from lion.params import Generate, Generator
from lion.pools.contamination import Questions
from lion.pools.instructions import draft_id, turns_text
from lion.pools.tables import ANSWERED, from_rows
from lion.support.errors import EmptyError
from tests.fakes import FakeChat, reply, user_text
from tests.pools.test_pools import answered

ASKING = Generator(temperature=1.0, tokens_per_word=4, min_tokens=20)


def settings(**more: Any) -> Generate:
    return Generate(
        **{"count": 8, "hard_share": 0.5, "novelty": 0.7, "max_draws": 3, "rules": "paper", **more}
    )


def pool(*texts: str) -> pl.DataFrame:
    rows = from_rows([answered(text) for text in texts], ANSWERED)
    return rows.with_columns(group=pl.lit(0))


SIDES: dict[Origin, pl.DataFrame] = {
    "hard": pool("name the capital of each country", "count the rivers of Spain"),
    "easy": pool("greet a friend warmly today"),
}
CACHE = pl.concat(SIDES.values())
NOTHING = Questions([], [], words=8)


def counting() -> FakeChat:
    """A generator that never says the same twice."""
    numbers = itertools.count()

    def answer(_: Request) -> Reply:
        number = next(numbers)
        return reply(" ".join(f"word{number}x{place}" for place in range(5)))

    return FakeChat(answer)


def run(chat: FakeChat, sides: dict[Origin, pl.DataFrame] = SIDES, **more: Any) -> Any:
    return generate(
        sides,
        CACHE,
        Drafts(chat, ASKING),
        settings=settings(**more),
        avoid=NOTHING,
        round="r1",
        seed=1,
    )


def test_the_quota_is_kept_exactly_among_accepted_rows() -> None:
    train, _ = run(counting(), hard_share=0.25)
    assert dict(train["origin"].value_counts().iter_rows()) == {"hard": 2, "easy": 6}


def test_new_instructions_know_their_parent_and_round() -> None:
    train, _ = run(counting())
    parents = {"hard": set(SIDES["hard"]["id"]), "easy": set(SIDES["easy"]["id"])}
    assert all(row["parent"] in parents[row["origin"]] for row in train.iter_rows(named=True))
    assert set(train["round"]) == {"r1"}


def test_each_side_is_asked_with_its_own_prompt() -> None:
    chat = counting()
    run(chat)
    assert "same type of work" in user_text(chat.asked[0])
    assert "long tail" in user_text(chat.asked[-1])


def test_near_duplicates_are_kept_as_rejects_with_their_neighbour() -> None:
    known = CACHE["instruction"][0]
    fresh = counting()
    said = itertools.chain([known, f"{known}!"], itertools.repeat(None))

    def answer(request: Request) -> Reply:
        text = next(said)
        return reply(text) if text else fresh.answer(request)

    _, draws = run(FakeChat(answer))
    rejected = draws.filter(verdict="too similar")
    assert rejected["nearest"].to_list() == [CACHE["id"][0]] * 2
    assert rejected["similarity"].to_list() == [1.0, 1.0]


def test_two_alike_in_one_round_are_not_both_accepted() -> None:
    chat = FakeChat(lambda request: reply("the very same five words"))
    with pytest.raises(EmptyError, match=r"1 of 8 new instructions after .* too similar"):
        run(chat)


def test_running_dry_stops_after_bounded_draws_and_says_why() -> None:
    chat = FakeChat(lambda request: reply("An instruction, again and again"))
    with pytest.raises(EmptyError) as caught:
        run(chat, max_draws=3)
    assert len(chat.asked) == 24
    assert "0 of 8" in caught.value.message
    assert "24 speaks of instructions" in caught.value.message


@pytest.mark.parametrize(
    ("draft", "advice"),
    [
        (
            reply("Name three", finish_reason="length"),
            r"raise generator\.min_tokens and generator\.",
        ),
        (reply("the very same five words"), r"use more varied seeds, raise generate\.novelty"),
        (reply("An instruction, again and again"), r"use another generator\.model"),
    ],
)
def test_running_dry_says_what_to_change_about_the_usual_reason(draft: Reply, advice: str) -> None:
    with pytest.raises(EmptyError, match=rf"\); {advice}.*, lower generate\.count, or raise"):
        run(FakeChat(lambda request: draft))


def test_the_last_missing_one_has_all_the_draws_that_are_allowed() -> None:
    fresh = counting()
    turns = itertools.count(1)

    def answer(request: Request) -> Reply:
        turn = next(turns)
        return fresh.answer(request) if turn < 8 or turn == 20 else reply("too short")

    train, draws = run(FakeChat(answer), max_draws=3, hard_share=1.0)
    assert (train.height, draws.height) == (8, 24)


def test_the_last_missing_ones_are_not_waited_for_one_by_one() -> None:
    fresh = counting()
    turns = itertools.count(1)

    def answer(request: Request) -> Reply:
        turn = next(turns)
        return fresh.answer(request) if turn < 8 or turn > 100 else reply("too short")

    chat = FakeChat(answer)
    train, draws = run(chat, max_draws=30, hard_share=1.0)
    assert train.height == 8
    assert len(chat.labels) < 40
    kinds = dict(draws["verdict"].value_counts().iter_rows())
    assert kinds["accepted"] == 8
    assert kinds["one more than wanted"] == draws.height - 8 - kinds["three words or fewer"] > 0


def rejecting(share: float) -> FakeChat:
    """A generator whose drafts are too short in a share of cases, which the request decides."""

    def answer(request: Request) -> Reply:
        digest = hashlib.sha256(str(request.seed).encode()).hexdigest()
        kept = int(digest[:8], 16) / 16**8 >= share
        return reply(
            " ".join(f"{digest[at : at + 6]}x" for at in range(0, 30, 6)) if kept else "no"
        )

    return FakeChat(answer)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_asking_ahead_takes_three_waves_for_the_same_tables(share: float) -> None:
    tables, asked = [], []
    for ahead in (False, True):
        chat = rejecting(share)
        tables.append(
            generate(
                SIDES,
                CACHE,
                Drafts(chat, ASKING, ahead=ahead),
                settings=settings(count=1000, max_draws=10),
                avoid=NOTHING,
                round="r1",
                seed=1,
            )
        )
        asked.append((len(chat.labels), len(chat.asked)))
    for plain, early in zip(*tables, strict=True):
        assert plain.equals(early)
    (waves, requests), (few, more) = asked
    assert few <= 3 <= waves
    assert requests <= more <= 1.2 * requests


def test_asking_ahead_stays_within_the_allowed_draws() -> None:
    chat = FakeChat(lambda request: reply("An instruction, again and again"))
    with pytest.raises(EmptyError, match="0 of 8"):
        generate(
            SIDES,
            CACHE,
            Drafts(chat, ASKING, ahead=True),
            settings=settings(),
            avoid=NOTHING,
            round="r1",
            seed=1,
        )
    assert len(chat.asked) == 24


def test_the_same_seed_draws_the_same_and_another_differently() -> None:
    def parents(seed: int) -> list[str]:
        chat = counting()
        generate(
            SIDES,
            CACHE,
            Drafts(chat, ASKING),
            settings=settings(),
            avoid=NOTHING,
            round="r1",
            seed=seed,
        )
        return [request.id for request in chat.asked]

    assert parents(1) == parents(1) != parents(2)


def test_a_parent_drawn_again_is_asked_with_another_seed() -> None:
    chat = counting()
    run(chat)
    easy = [request.seed for request in chat.asked if request.id == SIDES["easy"]["id"][0]]
    assert len(easy) == len(set(easy)) == 4


@pytest.mark.parametrize("other", [{"round": "r2"}, {"seed": 2}])
def test_a_parent_drawn_again_in_another_round_or_run_is_asked_with_another_seed(
    other: dict[str, Any],
) -> None:
    def seeds(**which: Any) -> set[int]:
        chat = counting()
        given = {"settings": settings(), "avoid": NOTHING}
        generate(
            SIDES, CACHE, Drafts(chat, ASKING), **given, **({"round": "r1", "seed": 1} | which)
        )
        return {request.seed for request in chat.asked}

    assert seeds() == seeds()
    assert not seeds() & seeds(**other)


def test_without_hard_rows_the_quota_is_filled_from_easy_ones() -> None:
    train, _ = run(counting(), {**SIDES, "hard": CACHE.clear()})
    assert train["origin"].to_list() == ["easy"] * 8


def test_nothing_judged_is_an_error() -> None:
    with pytest.raises(EmptyError, match="no hard or easy instruction can be a parent"):
        quotas(settings(), hard=0, easy=0)


def test_what_repeats_a_question_is_refused_and_kept_with_the_question() -> None:
    chat = counting()
    first = chat.answer(Request(id="", messages=(), temperature=0, max_tokens=1, seed=0)).text
    fresh = counting()
    _, draws = generate(
        SIDES,
        CACHE,
        Drafts(fresh, ASKING),
        settings=settings(),
        avoid=Questions([first], ["q1"], words=4),
        round="r1",
        seed=1,
    )
    refused = draws.filter(verdict=CONTAMINATED)
    assert refused.select("instruction", "nearest").rows() == [(first, "q1")]


def test_a_reply_may_be_as_long_as_the_given_text_allows() -> None:
    chat = counting()
    run(chat)
    assert {request.max_tokens for request in chat.asked} == {20, 24}


def test_a_new_instruction_inherits_the_system_prompt_alone() -> None:
    turns = turns_text([{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi"}])
    sides = {
        name: frame.with_columns(system=pl.lit(f"You serve the {name} side."), turns=pl.lit(turns))
        for name, frame in SIDES.items()
    }
    chat = counting()
    train, draws = run(chat, sides)
    for frame in (train, draws):
        for row in frame.iter_rows(named=True):
            assert row["system"] == f"You serve the {row['origin']} side."
    assert train["turns"].null_count() == train.height
    assert train["id"].to_list() == [draft_id(row) for row in train.iter_rows(named=True)]
    assert all("\nHi?\n</2-user" in user_text(request) for request in chat.asked)


@pytest.mark.parametrize(
    ("system", "draft", "verdict"),
    [
        ("SQL", "Write an SQL query that counts rows.", "accepted"),
        ("Python", "Write a Python function that reverses a list.", "accepted"),
        ("math", "Explain what aftermath means.", "accepted"),
        ("数学", "请解释数学归纳法。", "accepted"),
        ("Answer briefly.", "Who was Bach? Answer briefly.", "accepted"),
        ("Ты учитель", "Объясни, чем ты учитель лучше робота.", "accepted"),
        ("Python", "python!", "repeats the prompt"),
        ("你是数学老师", "你是数学老师。", "repeats the prompt"),
        (
            "You answer in one word and you never explain yourself.",
            "You answer in one word,\nand you never explain yourself. Name a river.",
            "repeats the prompt",
        ),
        (
            "你是一家大型银行的助手，请礼貌而简短地回答。",
            "你是一家大型银行的助手，请礼貌而简短地回答。什么是利率？",
            "repeats the prompt",
        ),
    ],
)
def test_a_draft_may_contain_a_short_system_prompt_but_not_repeat_it(
    system: str, draft: str, verdict: str
) -> None:
    sides = {name: frame.with_columns(system=pl.lit(system)) for name, frame in SIDES.items()}
    fresh = counting()
    drafts = itertools.chain([draft], itertools.repeat(None))

    def answer(request: Request) -> Reply:
        text = next(drafts)
        return reply(text) if text else fresh.answer(request)

    _, draws = run(FakeChat(answer), sides, rules="any")
    assert draws.filter(instruction=draft)["verdict"].to_list() == [verdict]


def test_a_long_system_prompt_makes_no_two_instructions_similar() -> None:
    long = "You are the assistant of a large bank and answer politely and briefly. " * 5
    sides = {name: frame.with_columns(system=pl.lit(long)) for name, frame in SIDES.items()}
    _, draws = run(counting(), sides)
    assert set(draws["verdict"]) == {"accepted"}
