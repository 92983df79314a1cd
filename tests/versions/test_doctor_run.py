"""`lion doctor` on what a run reads, trains and asks: real files, real HTTP servers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from lion.chat.store import Store
from lion.cli import main
from lion.params import Params, load_params
from lion.versions.doctor import Finding
from lion.versions.doctor_run import data_of, roles_of, student_of
from tests.chat.server import Answer, Asked, Server, completion, refusal
from tests.repository import ROOT, begin
from tests.stages.test_stages import lay_out, settings

Findings = list[Finding]


@pytest.fixture
def raw(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The parameters of a small project, which is the current folder."""
    params = settings(tiny_base)
    params["oracle"]["unreadable"] = 0.0
    lay_out(tmp_path, params)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LION_HOME", str(tmp_path / "store"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LION_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return params


def load(raw: dict[str, Any]) -> Params:
    path = Path("params.yaml")
    path.write_text(yaml.safe_dump(raw))
    return load_params(path)


def served(raw: dict[str, Any], url: str, **endpoint: Any) -> Params:
    raw |= {"model": "some-model", "endpoints": {"default": {"base_url": url, **endpoint}}}
    return load(raw)


def by_level(findings: Findings, level: str) -> list[str]:
    return [finding.message for finding in findings if finding.level == level]


def able(asked: Asked) -> Answer:
    """A server that plays every role; JSON if it is asked for it."""
    prompt = asked.body["messages"][-1]["content"]
    mark = prompt.rpartition("[")[2].partition("]")[0]
    if "response_format" in asked.body:
        scores = {"evidence": "e", "mark": mark, "assistant_1": 9, "assistant_2": 1}
        return Answer(completion(json.dumps(scores)))
    if "Assistant 2" in prompt:
        return Answer(completion(f"e\n[{mark}] Assistant 1: 9\n[{mark}] Assistant 2: 1"))
    return Answer(completion("Turn these words around: one two three"))


def test_the_offline_run_passes_each_check_without_key_and_network(raw: dict[str, Any]) -> None:
    begin(Path.cwd())
    shutil.copytree(ROOT / "lion/report/assets", "lion/report/assets", dirs_exist_ok=True)
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("OK: ")]
    named = [line.split(":")[1].strip() for line in lines]
    assert named[:2] == ["DVC's files can be read", "params.yaml"]
    assert {"seeds", "evaluate.questions", "student", "disk", "teacher", "referee"} <= {*named}
    assert "free of charge" in result.output


def test_each_role_is_asked_once_and_its_cost_is_told(raw: dict[str, Any], tmp_path: Path) -> None:
    price = {"input": 100.0, "output": 100.0}
    raw["prices"] = {"currency": "USD", "date": "2026-11-01", "models": {"some-model": price}}
    with Server(able) as server:
        params = served(raw, server.url)
        for _ in range(2):  # the store does not answer in the server's place
            findings = list(roles_of(params))
            assert len(by_level(findings, "OK")) == 4, findings
        assert len(server.asked) == 8
    teacher = by_level(findings, "OK")[0]
    assert f"teacher: some-model at {server.url}: replied in " in teacher
    assert "; 10 tokens in, 7 out, 0.0017 USD" in teacher
    with Store(tmp_path / "store" / "replies.sqlite") as store:
        assert {entry.stage for entry in store.entries()} == {"doctor"}


def test_a_referee_that_judges_nothing_is_not_asked(raw: dict[str, Any]) -> None:
    raw["examine"]["rows"], raw["sampling"]["by"] = 0, "chance"
    with Server(able) as server:
        findings = list(roles_of(served(raw, server.url)))
        roles = {finding.message.split(":")[0] for finding in findings}
        assert "referee" not in roles
        assert roles >= {"teacher", "generator", "judge"}
        assert len(server.asked) == 3


def test_a_missing_key_is_one_line(raw: dict[str, Any]) -> None:
    findings = list(roles_of(load(raw | {"model": "gpt-x"})))
    assert by_level(findings, "error") == [
        "no API key for https://api.openai.com/v1: set the environment variable OPENAI_API_KEY"
    ]


def test_an_unknown_model_is_told_with_those_that_the_server_offers(raw: dict[str, Any]) -> None:
    def answering(asked: Asked) -> Answer:
        if asked.path.endswith("/models"):
            models = [{"id": name, "object": "model"} for name in ("small", "large")]
            return Answer({"object": "list", "data": models})
        return refusal(404, "The model `some-model` does not exist.")

    with Server(answering) as server:
        findings = list(roles_of(served(raw, server.url)))
    assert len(by_level(findings, "error")) == 4
    assert all(
        "; set `model` to one that the server offers: small, large" in e
        for e in by_level(findings, "error")
    )


def test_a_server_that_is_not_there_is_an_error_for_each_role(raw: dict[str, Any]) -> None:
    with Server() as server:
        url = server.url
    findings = list(roles_of(served(raw, url)))
    errors = by_level(findings, "error")
    roles = ("teacher", "referee", "generator", "judge")
    assert [error.partition(":")[0] for error in errors] == [*roles]
    assert all(f"some-model at {url}: Connection error" in error for error in errors)


def test_a_field_that_the_server_refuses_is_named(raw: dict[str, Any]) -> None:
    def answering(asked: Asked) -> Answer:
        if "seed" in asked.body:
            return refusal(400, "Unsupported parameter: seed")
        return able(asked)

    with Server(answering) as server:
        findings = list(roles_of(served(raw, server.url)))
    assert any("Write `omit: [seed]`" in line for line in by_level(findings, "warning"))
    assert len(by_level(findings, "OK")) == 4


def test_a_referee_whose_reply_has_no_scores_is_a_warning(raw: dict[str, Any]) -> None:
    with Server(lambda _: Answer(completion("Both are fine."))) as server:
        warnings = by_level(list(roles_of(served(raw, server.url))), "warning")
    assert any("referee: some-model" in line and "lack two readable" in line for line in warnings)


def test_nobody_is_asked_where_that_is_forbidden(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LION_OFFLINE", "1")
    with Server(able) as server:
        findings = list(roles_of(served(raw, server.url)))
    assert len(by_level(findings, "warning")) == 4
    assert not server.asked


@pytest.fixture
def prose(raw: dict[str, Any]) -> dict[str, Any]:
    """Parameters with seeds of one's own and a server that nobody asks."""
    Path("own.json").write_text(json.dumps([{"instruction": "Write a poem about an owl."}]))
    return raw | {"seeds": "own.json"}


def test_own_seeds_with_the_oracle_are_an_error(prose: dict[str, Any]) -> None:
    errors = by_level(list(data_of(load(prose))), "error")
    assert len(errors) == 1
    assert "own.json, item 1: model: oracle cannot solve" in errors[0]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"seeds": "gone.json"}, "seeds: gone.json: No such file"),
        ({"evaluate": {"questions": "gone.json"}}, "evaluate.questions: gone.json: No such file"),
        (
            {"decontaminate": {"words": 8, "files": {"more": "gone.json"}}},
            "decontaminate.files.more: gone.json: No such file",
        ),
    ],
)
def test_a_missing_file_is_an_error(raw: dict[str, Any], change: dict[str, Any], part: str) -> None:
    [error] = by_level(list(data_of(load(raw | change))), "error")
    assert error.startswith(part)


def test_prompts_without_room_for_an_answer_end_the_run_before_it_begins(
    raw: dict[str, Any],
) -> None:
    raw["imitate"] |= {"max_length": 4}
    [error] = by_level(list(data_of(load(raw))), "error")
    assert "leave an answer no room in imitate.max_length: 4; raise it" in error
    raw["imitate"] |= {"truncate": True}
    assert not by_level(list(data_of(load(raw))), "error")


def test_the_toy_student_and_its_questions_are_named_beside_a_real_model(
    raw: dict[str, Any],
) -> None:
    params = load(raw | {"model": "gpt-x"})
    [questions] = by_level(list(data_of(params)), "warning")
    assert questions.startswith("evaluate.questions: data/eval/oracle.jsonl: the questions of the")
    [student] = by_level(list(student_of(params)), "warning")
    assert "learns only the offline tasks; set student.base" in student
    assert not by_level([*data_of(load(raw)), *student_of(load(raw))], "warning")


def test_a_base_that_cannot_be_loaded_is_an_error(raw: dict[str, Any], tmp_path: Path) -> None:
    raw["student"] |= {"base": str(tmp_path / "gone")}
    [finding] = student_of(load(raw))
    assert (finding.level, "no such folder" in finding.message) == ("error", True)


def test_a_base_whose_weights_are_damaged_is_an_error(
    raw: dict[str, Any], tiny_base: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "damaged"
    shutil.copytree(tiny_base, copy)
    (copy / "model.safetensors").write_bytes(b"no weights")
    raw["student"] |= {"base": str(copy)}
    [finding] = student_of(load(raw))
    assert finding.level == "error"
    assert "damaged" in finding.message


def test_a_batch_that_does_not_fit_into_the_memory_is_a_warning(raw: dict[str, Any]) -> None:
    raw["imitate"] |= {"batch": 10**9}
    warnings = by_level(list(student_of(load(raw))), "warning")
    assert "set compute.micro_batch below 1000000000" in warnings[0]
