"""Texts to compare, from rows in any form of seeds. Unlike with seeds, duplicates stay."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lion.params.pools import SeedsColumns
from lion.pools.instructions import conversation_text
from lion.pools.seed_files import is_saved_dataset, read_items
from lion.pools.seed_forms import drafts_of
from lion.pools.seeds import check_mapped, seed_of
from lion.support.errors import InputError


@dataclass(frozen=True)
class Text:
    """The task of one row: earlier turns, instruction and input; a row may have several."""

    place: str  # "FILE, line 3", or "FILE, line 3, instance 2"
    task: str
    row: dict[str, Any]


def read_texts(path: Path, columns: SeedsColumns | None = None) -> list[Text]:
    """Read every row of `path`, in order; an empty file has none.

    `path` may be a folder of JSONL files, such as a cache pool. InputError names the file, row and
    key of the first fault.
    """
    columns = columns or SeedsColumns()
    return [text for file in _files(path) for text in _read(file, columns)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir() or is_saved_dataset(path):
        return [path]
    files = sorted(path.glob("*.jsonl"))
    if not files:
        raise InputError(f"{path}: no .jsonl file in this folder; give a pool")
    return files


def _read(path: Path, columns: SeedsColumns) -> list[Text]:
    items = read_items(path)
    check_mapped(path, items, columns)
    texts = []
    for place, row in items:
        for draft in drafts_of(place, row, columns).drafts:
            seed = seed_of(draft, "ask")
            texts.append(Text(seed.place, conversation_text(seed.columns), row))
    return texts
