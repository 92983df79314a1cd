"""Seed files that are no JSON: tables, and folders saved by `datasets`."""

import bz2
import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import polars as pl
import pytest

from lion.params import SeedsColumns
from lion.pools.seeds import read_seeds
from lion.support.errors import InputError

ROWS = [
    {"instruction": "Name a river.", "input": ""},
    {"instruction": "Count:\none", "input": 'a "b", c'},
]
PAIRS = [("Name a river.", ""), ("Count:\none", 'a "b", c')]

GOOD_CSV = {
    "commas": b'instruction,input\nName a river.,\n"Count:\none","a ""b"", c"\n',
    "semicolons": b'instruction;input\nName a river.;\n"Count:\none";"a ""b"", c"\n',
    "tabs": b'instruction\tinput\nName a river.\t\n"Count:\none"\t"a ""b"", c"\n',
    "Excel": b'\xef\xbb\xbfinstruction,input\r\nName a river.,\r\n"Count:\none","a ""b"", c"\r\n',
    "a comma in a quoted name": (
        b'instruction;input;"score, of 10"\nName a river.;;\n"Count:\none";"a ""b"", c";\n'
    ),
    "blank lines first": b'\r\n\r\ninstruction;input\nName a river.;\n"Count:\none";"a ""b"", c"',
    "empty columns": b'instruction,input,,\nName a river.,,,\n"Count:\none","a ""b"", c",,\n',
    "indexes": (
        b',Unnamed: 0,instruction,input,""\n'
        b'0,0,Name a river.,,1\n1,1.5,"Count:\none","a ""b"", c",\n'
    ),
    "index, blanks": b',instruction,input\n0,Name a river.,\n\n,,\n1,"Count:\none","a ""b"", c"',
}
BAD_CSV = {
    "no header": (b"Name a river.,x\nCount.,\n", "line 2: missing key 'instruction' (found: 'Name"),
    "unknown column": (
        b'instruction,input,hint\nCount.,"a\nb",\nName.,,Po\n',
        "line 4: unused key 'hint' holds text",
    ),
    "too many cells": (b"instruction,input\nx,y,z\n", "line 2: 3 cells, but the header names 2"),
    "too few cells": (b"instruction,input\nx\n", "line 2: 1 cells, but the header names 2"),
    "open quote": (b'instruction\n"x\n', "line 2: not CSV (unexpected end of data)"),
    "text behind a quote": (b'instruction\n"x"y\n', "line 2: not CSV ("),
    "column twice": (b"instruction,instruction\nx,y\n", "line 1: two columns are called"),
    "empty instruction": (b"instruction,input\n,x\n", "line 2: 'instruction' is empty"),
    "Latin-1": (b"instruction\ncaf\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
    "text in an index": (
        b"Unnamed: 0,instruction\n0,a\nOnly lakes.,b\n",
        "line 3: unused key 'Unnamed: 0' holds text; map it in seeds_columns",
    ),
    "only a header": (b"instruction,input\n", "no rows"),
    "empty": (b"", "no rows"),
}


GOOD_JSON = {
    "a list under a key": json.dumps({"version": "1.0", "data": [{"instruction": "a"}]}),
    "the same, with more about it": json.dumps(
        {"version": "v2.0", "license": "MIT", "data": [{"instruction": "a"}]}
    ),
    "the same, on several lines": "\n" + json.dumps({"rows": [{"instruction": "a"}]}, indent=1),
}
BAD_JSON = {
    "text beside the list": (
        json.dumps({"data": [{"instruction": "a"}], "system": "Be kind."}),
        ", line 1: missing key 'instruction' (found: 'data', 'system')",
    ),
    "text without a name beside the list": (
        json.dumps({"data": [{"instruction": "a"}], "": "Be kind."}),
        ", line 1: missing key 'instruction' (found: 'data', '')",
    ),
    "text without a name": (
        json.dumps({"instruction": "Name a river.", "": "Only rivers in Italy count."}),
        ", line 1: unused key '' holds text; map it in seeds_columns, or list it there",
    ),
    "two lists": (
        json.dumps({"train": [{"instruction": "a"}], "test": [{"instruction": "b"}]}),
        ", line 1: missing key 'instruction' (found: 'train', 'test')",
    ),
    "a bad row in the list": (
        json.dumps({"data": [{"instruction": "a"}, {"input": "b"}]}),
        ", 'data', item 2: missing key 'instruction' (found: 'input')",
    ),
    "key twice": ('{"instruction": "a", "instruction": "b"}', ", line 1: not JSON (duplicate key"),
    "gzip": (gzip.compress(b'{"instruction": "a"}'), ": compressed (gzip); unpack it"),
    "bzip2": (bz2.compress(b'{"instruction": "a"}'), ": compressed (bzip2); unpack it"),
    "a spreadsheet": (
        b"PK\3\4\x14",
        ": compressed (zip); unpack it, and save a spreadsheet as CSV",
    ),
}


@pytest.mark.parametrize("text", GOOD_JSON.values(), ids=GOOD_JSON)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_reads_json(tmp_path: Path, text: str, encoding: str) -> None:
    path = _file(tmp_path / "seeds.json", text.encode(encoding))
    assert read_seeds(path).frame["instruction"].to_list() == ["a"]


@pytest.mark.parametrize(("content", "reason"), BAD_JSON.values(), ids=BAD_JSON)
def test_refuses_json_by_row(tmp_path: Path, content: str | bytes, reason: str) -> None:
    content = content.encode() if isinstance(content, str) else content
    assert f"seeds.json{reason}" in _refusal(_file(tmp_path / "seeds.json", content))


@pytest.mark.parametrize("content", GOOD_CSV.values(), ids=GOOD_CSV)
def test_reads_csv(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "Seeds.CSV"
    path.write_bytes(content)
    assert read_seeds(path).frame.rows() == PAIRS


def test_commas_part_no_cells_of_a_tsv_file(tmp_path: Path) -> None:
    path = _file(tmp_path / "seeds.tsv", b"instruction\nName a river, please; or a lake.\n")
    assert read_seeds(path).frame.rows() == [("Name a river, please; or a lake.", "")]


@pytest.mark.parametrize(("content", "reason"), BAD_CSV.values(), ids=BAD_CSV)
def test_refuses_csv_by_line(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in _refusal(_file(tmp_path / "seeds.csv", content))


@pytest.mark.parametrize(
    "content",
    [
        b"question,answer,\nName a river.,Po,Only rivers in Italy count.\n",
        b"question,answer,,\nName a river.,Po,,Only rivers in Italy count.\n",
        b"question;answer;; \nName a river.;Po;Only rivers in Italy count.;\n",
        b',question,answer,""\n0,Name a river.,Po,Only rivers in Italy count.\n',
    ],
)
def test_text_in_a_column_without_a_name_is_refused(tmp_path: Path, content: bytes) -> None:
    path = _file(tmp_path / "x.csv", content)
    message = _refusal(path, columns=SeedsColumns(instruction="question"))
    assert "x.csv, line 2: unused key '' holds text; map it in seeds_columns, or list" in message
    ignored = read_seeds(path, columns=SeedsColumns(instruction="question", ignore=[""]))
    assert ignored.frame.rows() == [("Name a river.", "")]


def test_a_column_without_a_name_can_be_mapped(tmp_path: Path) -> None:
    path = _file(tmp_path / "x.csv", b"instruction,\nName a river.,In Italy.\n")
    assert read_seeds(path, columns=SeedsColumns(input="")).frame.rows() == [
        ("Name a river.", "In Italy.")
    ]
    _file(path, b"instruction,,\nName a river.,In Italy.,Or Spain.\n")
    assert "line 2: '' must be a string" in _refusal(path, columns=SeedsColumns(input=""))


def test_a_csv_cell_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    path = _file(tmp_path / "seeds.csv", b"instruction\nshort\n" + b"x" * 200_000 + b"\n")
    seeds = read_seeds(path, too_long="leave_out")
    assert (len(seeds.seeds), len(seeds.too_long)) == (1, 1)


def test_reads_parquet(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "seeds.parquet")
    assert read_seeds(tmp_path / "seeds.parquet").frame.rows() == PAIRS


@pytest.mark.parametrize("write", [pl.DataFrame.write_ipc, pl.DataFrame.write_ipc_stream])
def test_reads_arrow(tmp_path: Path, write: Callable[[pl.DataFrame, Path], None]) -> None:
    write(pl.DataFrame(ROWS), tmp_path / "seeds.arrow")
    assert read_seeds(tmp_path / "seeds.arrow").frame.rows() == PAIRS


def test_reads_conversations_in_parquet(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Say hi."}, {"from": "gpt", "value": "Hi."}]
    pl.DataFrame({"conversations": [turns]}).write_parquet(tmp_path / "seeds.parquet")
    [seed] = read_seeds(tmp_path / "seeds.parquet").seeds.values()
    assert (seed.instruction, seed.answer) == ("Say hi.", "Hi.")


def test_refuses_parquet_by_row_and_key(tmp_path: Path) -> None:
    rows = [row | {"hint": hint} for row, hint in zip(ROWS, ("", "Po"), strict=True)]
    pl.DataFrame(rows).write_parquet(tmp_path / "seeds.parquet")
    assert "seeds.parquet, row 2: unused key 'hint' holds" in _refusal(tmp_path / "seeds.parquet")


@pytest.mark.parametrize("name", ["seeds.parquet", "seeds.arrow"])
def test_refuses_a_table_that_is_none_or_cut(tmp_path: Path, name: str) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "whole.parquet")
    for content in (b"", b"instruction", (tmp_path / "whole.parquet").read_bytes()[:-9]):
        assert f"{name}: not a table (" in _refusal(_file(tmp_path / name, content))
    (tmp_path / name).unlink()
    assert f"{name}: " in _refusal(tmp_path / name)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, and a dictionary of two splits, saved by `datasets`."""
    folder = tmp_path_factory.mktemp("saved")
    dataset = datasets.Dataset.from_list(ROWS)
    dataset.save_to_disk(folder / "one", num_shards=2)
    datasets.DatasetDict(train=dataset).save_to_disk(folder / "split")
    datasets.DatasetDict(train=dataset, test=dataset).save_to_disk(folder / "splits")
    return folder


@pytest.mark.parametrize("name", ["one", "split", "splits/train"])
def test_reads_a_folder_saved_by_datasets(saved: Path, name: str) -> None:
    assert read_seeds(saved / name).frame.rows() == PAIRS


def test_asks_for_one_of_several_splits(saved: Path) -> None:
    path = saved / "splits"
    assert f"has 2 splits; give one of them: {path}/train or {path}/test" in _refusal(path)


@pytest.mark.parametrize("state", ["", "[]", '{"_data_files": 3}', '{"_data_files": [{}]}'])
def test_refuses_a_damaged_folder(saved: Path, tmp_path: Path, state: str) -> None:
    shutil.copytree(saved / "one", tmp_path / "one")
    (tmp_path / "one" / "state.json").write_text(state)
    assert "state.json: no list '_data_files' of files" in _refusal(tmp_path / "one")


@pytest.mark.parametrize("name", ["../one/data.arrow", "/etc/passwd", "..", ""])
def test_reads_no_file_outside_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    assert "is not a name in this folder" in _refusal(tmp_path)


def test_refuses_a_missing_shard_and_any_other_folder(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved / "one", tmp_path / "one")
    next((tmp_path / "one").glob("*.arrow")).unlink()
    assert ".arrow: No such file or directory" in _refusal(tmp_path / "one")
    assert "Is a directory; give a file, or a folder saved by" in _refusal(tmp_path)


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _refusal(path: Path, columns: SeedsColumns | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_seeds(path, columns=columns)
    assert "\n" not in caught.value.message
    return caught.value.message
