"""What a change of code or parameters reruns, under real DVC."""

import re
from pathlib import Path

from tests.pipeline.mini import Project, make_project, ran


def append(project: Project, path: str, text: str) -> None:
    """Write `text` at the end of a file of the project."""
    with (project.root / path).open("a", encoding="utf-8") as file:
        file.write(text)


def reword(project: Project) -> int:
    """Change every docstring and add a comment to every module; return how many modules."""
    modules = [path for name in ("lion", "stages") for path in (project.root / name).rglob("*.py")]
    for path in modules:
        text = re.sub(r'(\A|:\n +)"""', r'\1"""Reworded. ', path.read_text(encoding="utf-8"))
        path.write_text(f"{text}\n# One more comment.\n", encoding="utf-8")
    return len(modules)


def test_docstrings_and_comments_of_all_modules_rerun_the_stage_code_alone(played: Project) -> None:
    assert reword(played) > 100
    assert ran(played.dvc("repro")) == ["code"]
    assert not ran(played.dvc("repro"))


def test_a_statement_in_training_reruns_the_imitate_stages_alone(played: Project) -> None:
    append(played, "lion/student/training.py", "\nassert callable(train)\n")
    assert played.changed() == {"imitate-seed@r0", "imitate@r1"}


def test_a_change_of_the_teachers_prompt_reruns_what_the_teacher_answers(played: Project) -> None:
    prompt = played.root / "lion/prompts/teacher.txt"
    prompt.write_text(prompt.read_text(encoding="utf-8").replace("---", "Be brief.\n---", 1))
    stages = {"teach-questions", "teach-seed@r0", "teach@r1", "rewrite@r1"}
    assert played.changed() == stages
    assert ran(played.dvc("repro", "teach-questions")) == ["teach-questions"]


def test_a_wrong_parameter_ends_the_run_before_anything_else_ran(
    tiny_base: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "fresh", tiny_base)
    project.set(imitate__batchh=32)
    output = project.dvc("repro", ok=False)
    assert ran(output) == ["code"]
    errors = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert errors == ["Error: params.yaml: imitate.batchh: unknown parameter (it is 32)"]
    assert "Traceback" not in output
    assert not (project.root / "dvc.lock").exists()
    assert not (project.root / ".lion").exists()
    assert {path.name for path in (project.root / "data").iterdir()} == {"base", "eval", "seeds"}


def test_a_temporary_experiment_runs_the_code_of_the_workspace(played: Project) -> None:
    reword(played)
    append(played, "lion/imitate/replay.py", "\nassert callable(replayed)\n")
    lock = (played.root / "dvc.lock").read_bytes()
    output = played.dvc("exp", "run", "--temp", "--name", "apart", "-S", "replay=0", "replay@r1")
    assert ran(output) == ["code", "replay@r1"]
    assert "apart" in played.dvc("exp", "list")
    assert (played.root / "dvc.lock").read_bytes() == lock


def test_a_clone_with_crlf_conversion_runs_nothing(played: Project, tmp_path: Path) -> None:
    clone = Project(tmp_path / "clone", tmp_path / "clone-site")
    played.git("clone", "--quiet", "--config", "core.autocrlf=true", ".", str(clone.root))
    assert not [path for path in _tracked(clone) if b"\r\n" in path.read_bytes()]
    clone.dvc("cache", "dir", "--local", str(played.root / ".dvc" / "cache"))
    clone.dvc("checkout", "--quiet")
    assert not ran(clone.dvc("repro"))


def test_seeds_written_with_crlf_come_out_of_git_as_they_were(
    played: Project, tmp_path: Path
) -> None:
    seeds = played.root / "data" / "seeds" / "windows.jsonl"
    seeds.write_bytes(b'{"instruction": "Repeat: pear"}\r\n' * 2)
    played.commit("Seeds from another editor")
    played.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    assert (tmp_path / "clone" / "data/seeds/windows.jsonl").read_bytes() == seeds.read_bytes()


def _tracked(project: Project) -> list[Path]:
    return [project.root / name for name in project.git("ls-files").splitlines()]
