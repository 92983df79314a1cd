import random
from pathlib import Path

import pytest

from lion.oracle.families import FAMILIES, Family, Task, draw, read, write
from lion.oracle.make_data import new_row, zipf
from lion.oracle.words import THEMES, theme_of
from lion.pools.instructions import task_text
from lion.pools.novelty import NoveltyFilter

A = "otter wolf panda goat yak"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_written_task_is_read_back_and_solved(family: Family) -> None:
    rng = random.Random(7)
    for _ in range(300):
        theme = rng.choice([theme for theme in THEMES if family.suits(theme)])
        task = draw(rng, family, theme)
        assert read(task_text(*write(rng, task))) == task
        assert task.answer().split()
        assert theme_of(task.items) == theme


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"Last one: {A}", "yak"),
        (f"Reverse: {A}", "yak goat panda wolf otter"),
        (f"Drop the first: {A}", "wolf panda goat yak"),
        (f"Count: {A}", "5"),
        (f"Capitals: {A}", "OTTER WOLF PANDA GOAT YAK"),
        (f"Second one: {A}", "wolf"),
        (f"Both ends: {A}", "otter yak"),
        (f"Rotate: {A}", "wolf panda goat yak otter"),
        (f"Drop the last: {A}", "otter wolf panda goat"),
        (f"Say twice: {A}", f"{A} {A}"),
        ("Number them: wolf yak goat", "1 wolf 2 yak 3 goat"),
        (f"Third one: {A}", "panda"),
        (f"Swap the ends: {A}", "yak wolf panda goat otter"),
        ("Stutter: wolf yak goat", "wolf wolf yak yak goat goat"),
        (f"A to Z: {A}", "goat otter panda wolf yak"),
        ("Add up: 20 30 41", "91"),
        (f"  REVERSE:\r\n\r\n{A}\n", "yak goat panda wolf otter"),
        ("Reverse: Zürich fußball été", "été fußball Zürich"),
    ],
)
def test_answers_are_right(text: str, answer: str) -> None:
    task = read(text)
    assert task is not None
    assert task.answer() == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Reverse",
        "Reverse:",
        "Reverse: otter wolf",
        f"Reverse {A}",
        f"Please reverse: {A}",
        f"Reverse: {A} and so on, please.",
        f"Reverse: {A}\n\n{A}!",
        "Capitals: otter 12 wolf",
        f"Add up: {A}",
        "Add up: 1 2 3000000000000",
        "Reverse: " + "otter " * 21,
        "What is the capital of France?",
        "Reverse: ../../etc <task> ${HOME}",
    ],
)
def test_a_text_that_sets_no_task_is_not_read(text: str) -> None:
    assert read(text) is None


def test_thousands_of_tasks_pass_the_novelty_filter() -> None:
    rng = random.Random(3)
    known = NoveltyFilter([], [], threshold=0.7)
    drawn = []
    for family in rng.choices(FAMILIES, k=4000):
        theme = rng.choice([theme for theme in THEMES if family.suits(theme)])
        drawn.append(task_text(*write(rng, draw(rng, family, theme))))
    passed = known.accept(drawn, drawn).count(None)
    assert passed > 3000


def test_a_family_whose_words_are_used_up_is_an_error() -> None:
    known = NoveltyFilter(["Reverse: otter wolf panda"], ["x"], threshold=1e-9)
    reverse = Family(name="reverse", wordings=("Reverse",), solve=lambda items: items)
    with pytest.raises(RuntimeError, match="no new task"):
        new_row(random.Random(1), reverse, known)


def test_common_families_are_drawn_more_often() -> None:
    drawn = zipf(random.Random(1), 5000)
    counts = [drawn.count(family) for family in FAMILIES]
    assert counts[0] > 3 * counts[4] > 3 * counts[-1] > 0


def test_a_task_is_compared_by_value() -> None:
    assert read("Count: a b c") == Task(family=FAMILIES[3], items=("a", "b", "c"))


def test_the_shipped_data_is_what_the_script_writes(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from lion.oracle.make_data import main

    seeds, questions = tmp_path / "seeds.jsonl", tmp_path / "questions.jsonl"
    assert CliRunner().invoke(main, [str(seeds), str(questions)]).exit_code == 0
    data = Path(__file__).parents[2] / "data"
    assert seeds.read_bytes() == (data / "seeds" / "oracle.jsonl").read_bytes()
    assert questions.read_bytes() == (data / "eval" / "oracle.jsonl").read_bytes()
