"""`lion store`: moving replies, clearing them away."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lion.chat import connect
from lion.chat.cli import ledger, store
from tests.chat.conftest import ROOT, ParamsOf, requests
from tests.chat.server import Answer, Server, completion


def run(*args: str) -> Result:
    return CliRunner().invoke(store, args)


def ask(server: Server, params_at: ParamsOf, count: int, *, round: str = "r0") -> list[str]:
    with connect(params_at(server.url), "teacher", stage="teach", round=round) as chat:
        return [reply.text for reply in chat.ask(requests(count), label="teach")]


def test_a_collaborator_replays_a_run_without_a_key(
    server: Server,
    params_at: ParamsOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = ask(server, params_at, 20)
    file = str(tmp_path / "replies.jsonl")
    assert "20 replies written" in run("export", file).stderr
    monkeypatch.setenv("LION_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("LION_OFFLINE", "1")
    assert "20 replies added" in run("import", file).stdout
    assert ask(server, params_at, 20) == texts
    assert len(server.asked) == 20
    assert "0 replies added" in run("import", file).stdout
    again = str(tmp_path / "again.jsonl")
    run("export", again)
    assert Path(again).read_bytes() == Path(file).read_bytes()


def test_the_ledger_of_a_project_is_shown_in_any_of_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "notes"
    deep.mkdir()
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(deep)
    monkeypatch.delenv("LION_HOME")
    result = CliRunner().invoke(ledger)
    assert f"{tmp_path}/.lion/replies.sqlite: no replies" in result.output


def test_imported_replies_were_paid_for_elsewhere(
    server: Server, params_at: ParamsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(server, params_at, 5)
    file = str(tmp_path / "replies.jsonl")
    run("export", file)
    monkeypatch.setenv("LION_HOME", str(tmp_path / "elsewhere"))
    run("import", file)
    told = json.loads(CliRunner().invoke(ledger, ["--json"]).stdout)
    assert told["total"]["requests"] == 0


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda row: row.pop("key"), "key: Field required"),
        (lambda row: row.update(key="xyz"), "key: String should match"),
        (lambda row: row.update(text=7), "text: Input should be a valid string"),
        (lambda row: row.update(prompt_tokens=-1), "prompt_tokens: Input should be greater"),
        (lambda row: row.update(more=1), "more: Extra inputs"),
        (lambda row: row.update(seconds=float("nan")), "seconds: Input should be a finite"),
        (lambda row: row.update(text="\ud83d"), "the line: Invalid JSON"),
    ],
    ids=["missing", "key", "type", "range", "extra", "nan", "half a character"],
)
def test_a_line_that_is_no_reply_adds_nothing_and_is_named(
    server: Server, params_at: ParamsOf, tmp_path: Path, edit: object, told: str
) -> None:
    ask(server, params_at, 2)
    file = tmp_path / "replies.jsonl"
    run("export", str(file))
    run("prune", "--stage", "teach", "--yes")
    first, second = map(json.loads, file.read_text().splitlines())
    edit(second)  # type: ignore[operator]
    file.write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n")
    result = run("import", str(file))
    assert result.exit_code == 1
    assert f"replies.jsonl, line 2: {told}" in result.stderr
    assert ": 0 replies" in run("stats").stdout


def test_a_file_that_is_not_utf8_is_an_error_in_one_line(own_store: None, tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"
    file.write_bytes(b'{"key": "\xff"}')
    assert "replies.jsonl, line 1: the line: Invalid JSON" in run("import", str(file)).stderr


def test_pruning_deletes_what_is_chosen_and_keeps_the_ledger(
    server: Server, params_at: ParamsOf
) -> None:
    ask(server, params_at, 4)
    ask(server, params_at, 10, round="r1")
    assert "6 replies deleted" in run("prune", "--round", "r1", "--yes").stdout
    assert ": 4 replies" in run("stats").stdout
    assert json.loads(CliRunner().invoke(ledger, ["--json"]).stdout)["total"]["requests"] == 10
    assert "nothing deleted" in run("prune", "--older-than", "1", "--yes").stdout


def test_pruning_by_age(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    ask(server, params_at, 3)
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400)
    ask(server, params_at, 5)
    assert "3 replies deleted" in run("prune", "--older-than", "1", "--yes").stdout


def test_pruning_needs_a_choice(server: Server, params_at: ParamsOf) -> None:
    result = run("prune", "--yes")
    assert result.exit_code == 2
    assert "select what to delete" in result.stderr


def test_stats_tell_how_replies_ended(server: Server, params_at: ParamsOf) -> None:
    finishes = ["stop", "length", "content_filter"]
    server.answering = lambda asked: Answer(
        completion("" if asked.body["seed"] == 2 else "x", finish=finishes[asked.body["seed"]])
    )
    ask(server, params_at, 3)
    said = run("stats").stdout
    for line in ("1 length", "1 stop", "1 empty, content_filter"):
        assert line in said


def test_no_store_is_an_error_in_one_line(own_store: None) -> None:
    for command in (["stats"], ["prune", "--round", "r1"], ["export", "-"]):
        result = run(*command)
        assert result.exit_code == 1
        assert "no replies are stored here" in result.stderr
