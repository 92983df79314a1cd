"""Read the rows of a seed file: JSON, JSONL, CSV, TSV, Parquet, Arrow, or a folder of `datasets`.

A row is any value, with its place for messages, such as "FILE, line 3". lion.pools.seed_forms
interprets it.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from lion.pools.rows import content_of, read_values
from lion.support.errors import InputError

Item = tuple[str, Any]  # place and row

_FIELD_LIMIT = 2**31 - 1  # characters of a CSV cell; Python's own limit would reject the whole file


def read_items(path: Path) -> list[Item]:
    """Read every row of `path` in the format of its suffix; the default is JSON or JSONL."""
    if path.is_dir():
        return _numbered(path, _dataset_rows(path))
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        return list(_csv_items(path))
    if suffix in {".parquet", ".arrow", ".feather"}:
        return _numbered(path, _frame(path).iter_rows(named=True))
    return read_values(path)


def is_saved_dataset(folder: Path) -> bool:
    """Whether `save_to_disk` of the package datasets wrote this folder."""
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def _numbered(path: Path, rows: Iterable[Any]) -> list[Item]:
    return [(f"{path}, row {number}", row) for number, row in enumerate(rows, start=1)]


def _csv_items(path: Path) -> Iterator[Item]:
    """Yield the records of a CSV file as dictionaries of texts; skip blank records."""
    text = content_of(path)
    csv.field_size_limit(_FIELD_LIMIT)
    heading = re.sub('"[^"]*"', "", text.lstrip("\r\n")).partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            place, line = f"{path}, line {line}", reader.line_num + 1
            if not any(map(str.strip, cells)):
                continue
            if header:
                yield place, _record(place, header, cells)
            else:
                header = _header(place, cells)
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: not CSV ({error}); check its quotes") from None


def _header(place: str, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if repeated := next((name for name in names if name and names.count(name) > 1), None):
        raise InputError(f"{place}: two columns are called '{repeated}'; rename one of them")
    return names


def _record(place: str, header: list[str], cells: list[str]) -> dict[str, Any]:
    """Return the cells by column; columns without a name share the key "", so none is lost."""
    if len(cells) != len(header):
        raise InputError(
            f"{place}: {len(cells)} cells, but the header names {len(header)} columns; "
            "put texts with a delimiter or a line break in quotes"
        )
    record: dict[str, Any] = dict(zip(header, cells, strict=True))
    if header.count("") > 1:
        record[""] = [cell for name, cell in zip(header, cells, strict=True) if not name]
    return record


def _dataset_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a folder that `save_to_disk` of the package datasets wrote."""
    if (folder / "dataset_dict.json").is_file():
        splits = _listed(folder / "dataset_dict.json", "splits")
        if len(splits) != 1:
            examples = " or ".join(str(folder / split) for split in splits[:2])
            raise InputError(f"{folder}: has {len(splits)} splits; give one of them: {examples}")
        yield from _dataset_rows(folder / splits[0])
        return
    if not is_saved_dataset(folder):
        raise InputError(
            f"{folder}: Is a directory; give a file, or a folder saved by datasets' save_to_disk"
        )
    for name in _listed(folder / "state.json", "_data_files"):
        yield from _frame(folder / name).iter_rows(named=True)


def _listed(path: Path, key: str) -> list[str]:
    """Return the file names in the list `key` of JSON file `path`; they must stay in its folder."""
    try:
        values = json.loads(content_of(path))[key]
        names = [value["filename"] if isinstance(value, dict) else value for value in values]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: no list '{key}' of files; save the dataset again") from None
    for name in names:
        if not isinstance(name, str) or name in {"", ".", ".."} or Path(name).name != name:
            raise InputError(f"{path}: {name!r:.40} in '{key}' is not a name in this folder")
    return names


def _frame(path: Path) -> pl.DataFrame:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a file of instructions") from None
    try:
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(content)
        is_file = content.startswith(b"ARROW1")  # the other form of Arrow is a stream
        return pl.read_ipc(content) if is_file else pl.read_ipc_stream(content)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).split("\n")[0][:80]
        raise InputError(f"{path}: not a table ({reason}); save it again") from None
