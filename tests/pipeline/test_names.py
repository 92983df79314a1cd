"""Names from params.yaml under real DVC: each works, or is refused before any other stage runs."""

import pytest

from tests.pipeline.mini import Project, copy_project, ran

QUESTIONS = "data/eval/oracle.jsonl"
# Each would leave a file `y`, `z` or `esc` behind if the shell or the file system acted on it.
SHELL_KEYS = ("r1\ny", "x; touch y #", "$(touch z)", "`touch z`", "r1 && touch y", "r1|touch y")
ALL_IN_ONE = "#1 `touch z`$(touch z)|touch y; 'it' \"best\" $5 ${seeds} größe 数.jsonl"
FILES = (ALL_IN_ONE, "-rf.jsonl")


@pytest.fixture(scope="module")
def project(seeded_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A miniature in which the stages code and seed have run."""
    return copy_project(seeded_once, tmp_path_factory.mktemp("outer") / "inner" / "names")


def refused(project: Project, *args: str, **changes: object) -> str:
    """Run `dvc repro` with `changes`, which must end it early; return the output."""
    project.set(**changes)
    try:
        output = project.dvc("repro", *args, ok=False)
    finally:
        project.git("checkout", "--quiet", "params.yaml")
    assert ran(output) in ([], ["code"])
    assert "Traceback" not in output
    assert_nothing_escaped(project)
    return output


def assert_nothing_escaped(project: Project) -> None:
    outer = project.root.parent.parent
    assert not [path for path in outer.rglob("*") if path.stem in {"x", "y", "z", "esc"}]


def test_rounds_named_as_commands_are_refused_in_one_line(project: Project) -> None:
    output = refused(project, rounds=dict.fromkeys(SHELL_KEYS, "r0"))
    (line,) = [line for line in output.splitlines() if "not a round's name" in line]
    assert line.startswith("Error: params.yaml: rounds: ")


def test_a_previous_round_named_as_a_command_is_refused(project: Project) -> None:
    assert "is not the round before" in refused(project, rounds={"r1": "r0; touch y #"})


@pytest.mark.parametrize("section", ["rounds", "decontaminate__files"])
def test_a_key_that_leads_out_of_the_project_is_refused(project: Project, section: str) -> None:
    value = "r0" if section == "rounds" else QUESTIONS
    assert "../../../esc" in refused(project, **{section: {"../../../esc": value}})


def test_question_files_named_as_commands_are_refused(project: Project) -> None:
    output = refused(project, decontaminate__files=dict.fromkeys(SHELL_KEYS, QUESTIONS))
    (line,) = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert line.count("decontaminate.files.") == 3  # the message names no more


def test_question_files_of_any_file_name_are_read(project: Project) -> None:
    text = (project.root / QUESTIONS).read_bytes()
    (project.root / "data" / "more").mkdir()
    for name in FILES:
        (project.root / "data" / "more" / name).write_bytes(text)
    files = {f"file-{number}": f"data/more/{name}" for number, name in enumerate(FILES)}
    project.set(decontaminate__files=files)
    project.dvc("repro", "decontaminate")
    rows = text.count(b"\n")
    for key in files:
        table = project.root / "data" / "questions" / f"{key}.jsonl"
        assert table.read_bytes().count(b"\n") == rows
    assert_nothing_escaped(project)
    project.git("checkout", "--quiet", "params.yaml")


def test_seeds_questions_and_base_of_any_file_name_are_read(project: Project) -> None:
    data = project.root / "data"
    for old in ("seeds/oracle.jsonl", "eval/oracle.jsonl", "base"):
        (data / old).rename((data / old).with_name(ALL_IN_ONE))
    project.set(
        seeds=f"data/seeds/{ALL_IN_ONE}",
        evaluate__questions=f"data/eval/{ALL_IN_ONE}",
        student__base=f"data/{ALL_IN_ONE}",
    )
    assert f"40 seeds from data/seeds/{ALL_IN_ONE} " in project.dvc("repro", "seed")
    assert_nothing_escaped(project)
    project.git("reset", "--quiet", "--hard")
