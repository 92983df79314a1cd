"""Reasoning tasks: items are read whole, replies for certain, and lm-eval plays both ways."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lion.cli import main
from lion.evaluate.choices import AGIEVAL, BBH, LETTERS, chance, read_items
from lion.evaluate.naming import named_choice
from lion.support.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data"
YES_NO = ("No", "Yes")
VALID = ("invalid", "valid")
TRUE = ("False", "True")


@pytest.mark.parametrize(
    ("reply", "choices", "named"),
    [
        ("Answer: C", "ABCD", "C"),
        ("The answer is (B).", "ABCD", "B"),
        ("The correct answer is option D", "ABCD", "D"),
        ("C", "ABCD", "C"),
        (" (D) because it flies", "ABCD", "D"),
        ("A. The first", "ABCD", "A"),
        ("**B**", "ABCD", "B"),
        ("I think it is (R)", LETTERS, "R"),
        ("Option A is wrong; the answer is B", "ABCD", None),
        ("A man walks into a bar", "ABCD", None),
        ("A or B", "ABCD", None),
        ("(A) or (B)", "ABCD", None),
        ("E", "ABCD", None),
        ("I'd rather not say", LETTERS, None),
        ("", "ABCD", None),
        ("yes.", YES_NO, "Yes"),
        ("The answer is no", YES_NO, "No"),
        ("Yes or no", YES_NO, None),
        ("Nobody knows", YES_NO, None),
        ("The argument is invalid", VALID, "invalid"),
        ("It is not valid", VALID, None),
        # Negations
        ("The argument is not deductively valid.", VALID, None),
        ("The argument isn't valid.", VALID, None),
        ("It is not a valid argument", VALID, None),
        ("No, it is never valid", VALID, None),
        ("This cannot be true", TRUE, None),
        ("There is no valid inference", VALID, None),
        ("It doesn’t look true or false", TRUE, None),
        ("The answer is not option A", "ABCD", None),
        ("It is not (B)", "ABCD", None),
        ("Option A is incorrect.", "ABCD", None),
        ("(A) is wrong.", "ABCD", None),
        ("A is right.", "ABCD", "A"),
        ("Not (A) but (B)", "ABCD", "B"),
        ("Not valid but invalid", VALID, "invalid"),
        ("not True is False", TRUE, "False"),
        ("No it is false", TRUE, "False"),
        ("No he does not lie", YES_NO, "No"),
        ("It is not plausible, so no", YES_NO, "No"),
        # Lists
        ("A, B", "ABCD", None),
        ("A, B and C", "ABCD", None),
        ("A; C", "ABCD", None),
        ("A. True\nB. False", "ABCD", None),
        ("(A) (B)", "ABCD", None),
        ("A - B", "ABCD", None),
        ("A & B", "ABCD", None),
        ("The answer is A and B", "ABCD", None),
        ("The answer is A or B because", "ABCD", None),
        ("Answer: A/B", "ABCD", None),
        ("Yes\nNo", YES_NO, None),
        ("A. A man", "ABCD", "A"),
        ("B. I think so", LETTERS, "B"),
        ("B\nC is wrong", "ABCD", "B"),
        ("The answer is A. B is wrong", "ABCD", "A"),
        # Markup
        (r"\boxed{B}", "ABCD", "B"),
        (r"It is $\boxed{\text{C}}$.", "ABCD", "C"),
        (r"\(B\)", "ABCD", "B"),
        ("$B$", "ABCD", "B"),
        ("`C`", "ABCD", "C"),
        ("The answer is `D`.", "ABCD", "D"),
        ("（A）", "ABCD", "A"),
        ("$A$ is the area", "ABCD", None),
        ("B is correct.", "ABCD", "B"),
        ("B is the right answer", "ABCD", "B"),
    ],
)
def test_a_reply_names_one_choice_or_none(
    reply: str, choices: tuple[str, ...], named: str | None
) -> None:
    assert named_choice(reply, tuple(choices)) == named


@pytest.mark.parametrize(
    ("reply", "named"),
    [("B (owl)", "B"), ("(B) (owl)", "B"), ("C (hen) is correct", "C"), ("B (crow)", None)],
)
def test_an_options_own_text_may_follow_its_letter(reply: str, named: str | None) -> None:
    assert named_choice(reply, ("A", "B", "C"), ("crow", "owl", "hen")) == named


def agieval(**more: Any) -> dict[str, Any]:
    row = {"passage": None, "question": "Which bird?", "label": "B"}
    return {**row, "options": ["(A)crow", "(B)owl", "(C)hen", "(D)jay"], **more}


def bbh(target: str = "(B)") -> dict[str, Any]:
    question = "Which bird?\nOptions:\n(A) crow\n(B) owl\n(C) hen"
    words = {"input": "Is an owl a bird?", "target": target}
    return words if target in YES_NO else {"input": question, "target": target}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Both suites in miniature, two items a task."""
    for name in AGIEVAL:
        rows = [agieval(), agieval(passage="Birds fly.", label="A")]
        path = tmp_path / "agieval" / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for name in BBH:
        targets = ("No", "Yes") if name in ("navigate", "web_of_lies") else ("(A)", "(B)")
        path = tmp_path / "bbh" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"examples": [bbh(target) for target in targets]}))
    return tmp_path


def test_options_go_by_their_own_letter_where_the_file_has_another_order(folders: Path) -> None:
    path = folders / "agieval" / "sat-en.jsonl"
    path.write_text(json.dumps(agieval(options=["(A)crow", "(C)hen", "(B)owl", "D jay"])))
    [item] = read_items("agieval", folders / "agieval")["sat-en"]
    assert item.question.endswith("(A) crow\n(B) owl\n(C) hen\n(D) D jay")


def test_a_label_without_an_option_is_refused(folders: Path) -> None:
    path = folders / "agieval" / "sat-en.jsonl"
    path.write_text(json.dumps(agieval(label="F")))
    with pytest.raises(InputError, match=r"sat-en.jsonl, line 1: options .* do not fit label F"):
        read_items("agieval", folders / "agieval")


def test_items_keep_the_lines_and_texts_of_the_file(folders: Path) -> None:
    path = folders / "agieval" / "sat-en.jsonl"
    rows = [agieval(question=f" Which{end}bird?") for end in "\u2028\u0085\u2029"]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\ufeff" + "\n\n".join(lines) + "\n \n", encoding="utf-8")
    items = read_items("agieval", folders / "agieval")["sat-en"]
    assert [item.question.split("\n")[0] for item in items] == [row["question"] for row in rows]
    assert items[0].texts == ["crow", "owl", "hen", "jay"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "sat-en.jsonl: no items"),
        (" \n\n", "sat-en.jsonl: no items"),
        ("{}", "line 1: lacks 'question', 'label', 'passage', 'options'"),
        ("[1]", "item 1: lacks 'question'"),
        ('{"question": "Q"', "line 1: not JSON"),
        (json.dumps(agieval(options=None)), "line 1: 'options' must be a list of strings"),
        (json.dumps(agieval(options=["(A)x", 2])), "line 1: 'options' must be a list of strings"),
        (json.dumps(agieval(options=["(A)x", "(A)y"], label="A")), "line 1: options .* do not fit"),
        (json.dumps(agieval(options=["x"] * 19)), "line 1: options .* do not fit"),
        (json.dumps(agieval(question=None)), "line 1: 'question' must be a string"),
        (json.dumps(agieval(label=2)), "line 1: 'label' must be a string"),
        (json.dumps(agieval(passage=["x"])), "line 1: 'passage' must be a string"),
    ],
)
def test_a_damaged_task_of_agieval_is_one_line(folders: Path, text: str, message: str) -> None:
    (folders / "agieval" / "sat-en.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_items("agieval", folders / "agieval")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "snarks.json: not JSON"),
        ("[]", "snarks.json: no list 'examples'"),
        ('{"examples": []}', "snarks.json: no items"),
        ('{"examples": [{"input": "Q"}]}', "example 1: lacks 'target'"),
        ('{"examples": [{"input": null, "target": "No"}]}', "example 1: 'input' must be a string"),
        (json.dumps({"examples": [bbh("(D)")]}), r"example 1: target '\(D\)' is none of its"),
        (json.dumps({"examples": [bbh("emu")]}), "example 1: target 'emu' is none of its"),
    ],
)
def test_a_damaged_task_of_big_bench_hard_is_one_line(
    folders: Path, text: str, message: str
) -> None:
    (folders / "bbh" / "snarks.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_items("bbh", folders / "bbh")


def test_words_are_choices_where_no_options_are_listed(folders: Path) -> None:
    items = read_items("bbh", folders / "bbh")
    assert items["navigate"][0].choices == YES_NO
    assert items["snarks"][0].choices == ("A", "B", "C")
    assert chance(items["snarks"]) == pytest.approx(100 / 3)


@pytest.mark.parametrize("suite", ["agieval", "bbh"])
def test_a_missing_file_is_named(tmp_path: Path, suite: Any) -> None:
    with pytest.raises(InputError, match="no such file; give the folder as it is published"):
        read_items(suite, tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not there ({DATA})")
@pytest.mark.parametrize(
    ("suite", "tasks", "items", "guessed", "most"),
    [("agieval", 8, 2546, 22.5, 5), ("bbh", 23, 5511, 31.3, 18)],
)
def test_the_real_suites_have_the_papers_items_and_chance_levels(
    suite: Any, tasks: int, items: int, guessed: float, most: int
) -> None:
    items_by_task = read_items(suite, DATA / suite)
    every = [item for rows in items_by_task.values() for item in rows]
    assert (len(items_by_task), len(every)) == (tasks, items)
    assert round(sum(chance(rows) for rows in items_by_task.values()) / tasks, 1) == guessed
    assert max(len(item.choices) for item in every) == most
    assert all(item.right in item.choices for item in every)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_lm_eval_plays_every_task_both_ways(folders: Path, tiny_base: Path) -> None:
    done = CliRunner().invoke(
        main,
        [
            *("reasoning", str(tiny_base), "--json", "--limit", "1"),
            *("--agieval", str(folders / "agieval"), "--bbh", str(folders / "bbh")),
        ],
    )
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(rows) == 8 + 1 + 23 + 1
    assert {row["task"] for row in rows if row["items"] == 1} == {*AGIEVAL, *BBH}
    assert all(row["likelihood"] in (0, 100) for row in rows if row["items"] == 1)
    assert (rows[-1]["task"], rows[-1]["items"]) == ("mean", 23)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "nothing to do: give --agieval FOLDER or --bbh FOLDER"),
        (["--bbh", "nowhere"], 1, "nowhere/boolean_expressions.json: no such file"),
    ],
)
def test_wrong_calls_get_one_line(args: list[str], code: int, message: str) -> None:
    done = CliRunner().invoke(main, ["reasoning", "student", *args])
    assert done.exit_code == code
    assert message in done.output
