"""Candidates of every kind get their row; both settings of the judge ask as they should."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from lion.chat.types import Reply, Request
from lion.cli import main
from lion.evaluate.candidates import TEMPLATES, answers_of, load_any
from lion.evaluate.comparison import compare
from lion.evaluate.questions import read_keyed_questions
from lion.oracle.families import FAMILIES
from lion.params import Judge, Params, load_params
from lion.pools.tables import ANSWER, from_rows
from lion.student.respond import answer_with
from lion.support.errors import EmptyError, InputError, LionError
from tests.fakes import FakeChat, reply, user_text

ROOT = Path(__file__).parents[2]
WORDING = {family.name: family.wordings[0] for family in FAMILIES}
LISTS = [("reverse", "crow heron owl lynx"), ("twice", "fork plate jar"), ("last", "oak elm ivy")]
TASKS = [f"{WORDING[name]}: {items}" for name, items in LISTS]
RIGHT = ["lynx owl heron crow", "fork plate jar fork plate jar", "ivy"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with questions, recorded answers and parameters that name them."""
    questions = [{"id": at, "instruction": task} for at, task in enumerate(TASKS)]
    recorded = [{"id": 0, "text": RIGHT[0]}, {"id": 1, "text": "no idea"}]
    for name, rows in (("questions", questions), ("recorded", recorded)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    save(tmp_path, recorded={"answers": "recorded.jsonl"}, same={"api": "oracle"})
    return tmp_path


def save(folder: Path, *, judge: dict[str, Any] | None = None, **candidates: Any) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["evaluate"] = {"questions": "questions.jsonl", "candidates": candidates}
    raw["oracle"] = {"position_bias": 0.3, "unreadable": 0.0}
    raw["student"]["max_tokens"] = 8
    raw["judge"] |= judge or {}
    (folder / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")


def evaluate(*args: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(main, ["evaluate", "--json", *args])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("setting", [1, 2])
def test_recorded_and_api_candidates_are_compared_with_the_teacher(
    project: Path, setting: int
) -> None:
    candidates = {"recorded": {"answers": "recorded.jsonl"}, "same": {"api": "oracle"}}
    save(project, judge={"setting": setting}, **candidates)
    recorded, same = evaluate("--out", "out")
    assert (recorded["candidate"], recorded["total"]["asked"]) == ("recorded", 3)
    assert (recorded["total"]["judged"], recorded["missing"]) == (2, ["2"])
    assert recorded["total"]["lose"] >= 50
    assert same["total"]["quality"]["value"] == pytest.approx(100, abs=10)
    assert (recorded["flip_rate"] is None) == (setting == 1)
    assert same["flip_rate"] in (None, 0)  # its answers are the teacher's own
    assert (project / "out" / "recorded" / "summary.json").exists()


def test_a_checkpoint_is_asked_in_its_own_template(project: Path, tiny_base: Path) -> None:
    save(project, tiny={"checkpoint": str(tiny_base), "template": "alpaca"})
    [result] = evaluate()
    assert result["total"]["judged"] + len(result["missing"]) == 3


def test_a_student_folder_is_a_candidate(project: Path, tiny_base: Path) -> None:
    save(project, tiny={"student": str(tiny_base)})
    params = load_params(project / "params.yaml")
    asked = read_keyed_questions(project / "questions.jsonl")
    assert answers_of("tiny", asked, params).height == 3


def set_params(folder: Path, part: str, **values: Any) -> Params:
    raw = yaml.safe_load((folder / "params.yaml").read_text())
    raw[part] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    return load_params(folder / "params.yaml")


def test_a_student_answers_as_in_the_stages(project: Path, tiny_base: Path) -> None:
    save(project, tiny={"student": str(tiny_base)})
    params = set_params(project, "student", precision="bfloat16")
    asked = read_keyed_questions(project / "questions.jsonl")
    expected = answer_with(params, tiny_base, asked, connect=no_server, label="stage")
    assert answers_of("tiny", asked, params)["answer"].equals(expected["answer"])


def no_server(params: Params) -> Any:
    raise AssertionError("no server is needed")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"student": "BASE"}, "student.engine: vllm is not installed"),
        (
            {"checkpoint": "BASE", "template": "raw"},
            "vllm cannot answer for a check",
        ),
    ],
)
def test_a_local_candidate_is_asked_with_the_runs_engine(
    project: Path, tiny_base: Path, kind: dict[str, str], message: str
) -> None:
    save(project, tiny={key: value.replace("BASE", str(tiny_base)) for key, value in kind.items()})
    params = set_params(project, "student", engine="vllm")
    asked = read_keyed_questions(project / "questions.jsonl")
    with pytest.raises(LionError, match=message):
        answers_of("tiny", asked, params)


def test_a_checkpoint_is_loaded_in_the_runs_precision(project: Path, tiny_base: Path) -> None:
    params = set_params(project, "student", precision="bfloat16")
    assert str(load_any(str(tiny_base), None, params).model.dtype) == "torch.bfloat16"


def test_a_candidate_can_be_the_reference(project: Path) -> None:
    raw = yaml.safe_load((project / "params.yaml").read_text())
    raw["evaluate"]["reference"] = "recorded"
    (project / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    [result] = evaluate()
    assert result["candidate"] == "same"
    assert result["total"]["quality"]["value"] > 100


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({}, "give exactly one of student, checkpoint, api, answers"),
        ({"api": "x", "answers": "y"}, "give exactly one of"),
        ({"checkpoint": "x"}, "checkpoint and template .* go together"),
        (
            {"answers": "x", "base_url": "http://127.0.0.1:1/v1"},
            "base_url and api_key_env are for an api model",
        ),
        ({"student": "x", "revision": "y"}, "revision is for a checkpoint"),
    ],
)
def test_a_contradictory_candidate_is_refused(
    project: Path, candidate: dict[str, Any], message: str
) -> None:
    save(project, wrong=candidate)
    done = CliRunner().invoke(main, ["evaluate"])
    assert done.exit_code == 1
    assert re.search(f"evaluate.candidates.wrong: {message}", done.output)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nobody"], "no candidate 'nobody' in evaluate.candidates; known: recorded, same"),
        (["--questions", "none.jsonl"], "none.jsonl: No such file"),
    ],
)
def test_wrong_calls_get_one_line(project: Path, args: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["evaluate", *args])
    assert done.exit_code == 1
    assert message in done.output
    assert len(done.output.splitlines()) == 1


ASKED_BY = {"setting": 2, "samples": 1, "temperature": 0.2, "max_tokens": 99, "retries": 0}


def judge(**more: Any) -> Judge:
    return Judge(**{**ASKED_BY, **more})


def compared(project: Path, chat: FakeChat, settings: Judge) -> Any:
    asked = read_keyed_questions(project / "questions.jsonl")
    sides = [
        from_rows(
            [
                {"id": id, "answer": text, "finish_reason": "stop", "model": "m"}
                | {"prompt_tokens": 1, "completion_tokens": 1}
                for id in asked["id"]
            ],
            ANSWER,
        )
        for text in ("theirs", "mine")
    ]
    return compare("me", asked, sides[1], sides[0], chat, settings)


def test_setting_1_asks_once_scores_first_and_the_reference_first(project: Path) -> None:
    chat = FakeChat(lambda request: reply("8 4\nBecause."))
    result = compared(project, chat, judge(setting=1))
    assert len(chat.asked) == 3
    assert "Begin your reply with one line" in user_text(chat.asked[0])
    assert user_text(chat.asked[0]).index("theirs") < user_text(chat.asked[0]).index("mine")
    assert result.summary.total.quality.value == 50.0


def test_setting_2_asks_for_evidence_in_both_orders_as_often_as_told(project: Path) -> None:
    def bias(request: Request) -> Reply:
        return reply("Evidence.\nAssistant 1: 8\nAssistant 2: 6")

    chat = FakeChat(bias)
    result = compared(project, chat, judge(samples=2))
    assert len(chat.asked) == 3 * 2 * 2
    assert len({request.seed for request in chat.asked}) == 12
    assert result.summary.total.quality.value == 100.0
    assert (result.summary.flip_rate, result.summary.position_bias) == (100.0, 2.0)


def test_a_judge_unreadable_throughout_is_an_error(project: Path) -> None:
    with pytest.raises(EmptyError, match="scored none of 3 pairs"):
        compared(project, FakeChat(lambda request: reply("Well.")), judge())


def test_nothing_answered_by_both_is_an_error(project: Path) -> None:
    asked = read_keyed_questions(project / "questions.jsonl")
    nobody = from_rows([], ANSWER)
    with pytest.raises(InputError, match="no question is answered by both"):
        compare("me", asked, nobody, nobody, FakeChat(lambda request: reply("")), judge())


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_shows_instruction_and_input(template: Any) -> None:
    text = TEMPLATES[template]("Add these.", "1 2")
    assert text.index("Add these.") < text.index("1 2")


def test_only_setting_2_has_several_samples() -> None:
    with pytest.raises(ValueError, match="setting: 1 is one run"):
        judge(setting=1, samples=2)


def test_params_know_their_reference() -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["evaluate"]["reference"] = "gpt-9"
    with pytest.raises(ValueError, match="gpt-9 is neither teacher nor a candidate"):
        Params.model_validate(raw)
