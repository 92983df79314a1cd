"""Tables are checked when read, and appear whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from lion.pools.tables import (
    ANSWERED,
    INSTRUCTION,
    LOSS,
    QUESTION,
    SCORE,
    from_rows,
    read_pool,
    read_table,
    write_table,
)
from lion.support.errors import InputError
from lion.support.files import replacing, replacing_folder

ROWS = [{"step": 1, "loss": 2.5, "learning_rate": 0.001, "grad_norm": 1.0, "tokens": 9}]


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    frame = from_rows(ROWS, LOSS)
    write_table(tmp_path / name, frame, LOSS)
    assert read_table(tmp_path / name, LOSS).equals(frame)


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_an_empty_table_keeps_its_columns(tmp_path: Path, name: str) -> None:
    write_table(tmp_path / name, from_rows([], LOSS), LOSS)
    assert read_table(tmp_path / name, LOSS).columns == list(LOSS)


def test_jsonl_keys_are_sorted_and_text_survives(tmp_path: Path) -> None:
    text = 'a "quote", a \n break, \u2028, ünï 日本 🙂'
    row = {"id": "1", "instruction": text, "input": "", "category": "all"}
    write_table(tmp_path / "t.jsonl", from_rows([row], QUESTION), QUESTION)
    assert (tmp_path / "t.jsonl").read_text().startswith('{"category":"all","id":"1","input":""')
    assert read_table(tmp_path / "t.jsonl", QUESTION)["instruction"][0] == text


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_an_optional_column_is_written_only_where_a_row_needs_it(tmp_path: Path, name: str) -> None:
    row = dict.fromkeys(ANSWERED, "x") | {"origin": "seed", "round": "r0", "turns": None}
    for thoughts in ("hm", None):
        frame = from_rows([row | {"thoughts": thoughts}, row | {"thoughts": None}], ANSWERED)
        write_table(tmp_path / name, frame, ANSWERED)
        assert (b"thoughts" in (tmp_path / name).read_bytes()) == (thoughts is not None)
        again = read_table(tmp_path / name, ANSWERED)
        assert again.equals(frame)
        assert again.schema == frame.schema


def test_a_missing_table_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dvc pull"):
        read_table(tmp_path / "t.jsonl", LOSS)


@pytest.mark.parametrize(
    ("name", "content"), [("t.jsonl", b'{"step": '), ("t.parquet", b"PAR1 no"), ("t.jsonl", b"[]")]
)
def test_a_damaged_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_table(tmp_path / name, LOSS)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="expected columns id, teacher, student, gap"):
        read_table(tmp_path / "t.parquet", SCORE)


@pytest.mark.parametrize(("name", "value"), [("origin", "soft"), ("round", "base"), ("round", "")])
def test_a_row_of_no_known_origin_or_round_is_named(tmp_path: Path, name: str, value: str) -> None:
    row = {"id": "1", "instruction": "Say x", "input": "", "parent": None}
    frame = from_rows([row | {"origin": "seed", "round": "r0"} | {name: value}], INSTRUCTION)
    write_table(tmp_path / "r0.jsonl", frame, INSTRUCTION)
    with pytest.raises(InputError, match=f"r0.jsonl: '{value}' is not a valid {name}"):
        read_table(tmp_path / "r0.jsonl", INSTRUCTION)


@pytest.mark.parametrize("turns", ["x", "{}", "[1]", '[{"role": "user"}]', '[{"content": 1}]', "3"])
def test_turns_that_are_no_messages_are_refused(tmp_path: Path, turns: str) -> None:
    row = {"id": "1", "instruction": "Say x", "input": "", "category": "c", "turns": turns}
    write_table(tmp_path / "q.jsonl", from_rows([row], QUESTION), QUESTION)
    with pytest.raises(InputError, match="is not a valid list of turns"):
        read_table(tmp_path / "q.jsonl", QUESTION)


def test_a_pool_of_questions_is_recognised(tmp_path: Path) -> None:
    row = {"id": "1", "instruction": "Say x", "input": "", "category": "c"}
    write_table(tmp_path / "q.jsonl", from_rows([row], QUESTION), QUESTION)
    assert "category" in read_pool(tmp_path / "q.jsonl").columns


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_folder_leaves_the_old_one_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.mkdir()
    (path / "a").write_text("old")
    with pytest.raises(RuntimeError), replacing_folder(path) as temporary:
        (temporary / "a").write_text("half")
        raise RuntimeError
    assert (path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "r1"
    (tmp_path / ".r1.3_xxzgcp").mkdir()
    (tmp_path / ".r10.huubd_0o").mkdir()  # another folder's
    with replacing_folder(path) as temporary:
        (temporary / "a").write_text("new")
    assert sorted(tmp_path.iterdir()) == [tmp_path / ".r10.huubd_0o", path]


DEEP = 10_000
DAMAGED = {
    "empty.parquet": b"",
    "text.parquet": b"no table at all",
    "deep-list.jsonl": b"[" * DEEP + b"]" * DEEP,
    "deep-object.jsonl": b'{"id": ' * DEEP + b"1" + b"}" * DEEP,
    "deep-key.jsonl": b'{"id": "1", "more": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "not-utf-8.jsonl": b"\xff\xfe\x00{",
    "zeros.jsonl": b"\0" * 99,
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("read", [read_pool, lambda path: read_table(path, SCORE)])
def test_a_damaged_table_is_one_line(
    tmp_path: Path, name: str, read: Callable[[Path], pl.DataFrame]
) -> None:
    (tmp_path / name).write_bytes(DAMAGED[name])
    assert f"{name}: not a table" in refusal(read, tmp_path / name)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_parquet_table_is_one_line(tmp_path: Path, share: float) -> None:
    path = tmp_path / "r1.parquet"
    row = {"id": "1", "teacher": 9.0, "student": 2.0, "gap": 7.0}
    write_table(path, from_rows([row] * 50, SCORE), SCORE)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "r1.parquet: not a table" in refusal(lambda path: read_table(path, SCORE), path)


@pytest.mark.parametrize("name", ["r1.jsonl", "r1.parquet"])
@pytest.mark.parametrize("read", [read_pool, lambda path: read_table(path, SCORE)])
def test_a_table_that_is_no_file_is_one_line(
    tmp_path: Path, name: str, read: Callable[[Path], pl.DataFrame]
) -> None:
    path = tmp_path / name
    assert "table not found; run `dvc repro`" in refusal(read, path)
    path.symlink_to(path)
    assert f"{name}: not a table" in refusal(read, path)
    path.unlink()
    path.mkdir()
    assert f"{name}: a folder, expected a table" in refusal(read, path)


def refusal(read: Callable[[Path], pl.DataFrame], path: Path) -> str:
    """Return the one line in which `read` refuses `path`."""
    with pytest.raises(InputError) as caught:
        read(path)
    message = caught.value.format_message()
    assert len(message) < 400
    assert "\n" not in message
    return message
