"""Export of a round's pools as a dataset, and of its student as a model."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lion.export.rows import exported_rows, preferences
from lion.params import Params
from lion.pools.cache import usable, with_answers
from lion.pools.instructions import tasks_of
from lion.runs.figures import quality_of
from lion.runs.run import Tables
from lion.support.errors import InputError
from lion.support.files import replacing_folder

Row = dict[str, Any]
_FACTS = "provenance.json"
COMPARED = 8  # answers that the written student must give the trained one's probabilities
POOLS = {"train_pool": "train_pool.jsonl", "cache_pool": "cache_pool.jsonl"}
PAIRS = {"preferences": "preferences.jsonl"}


@dataclass(frozen=True)
class Provenance:
    """The origin of pools and student, as the cards show it; None if unknown."""

    round: str
    commit: str | None
    license: str
    seeds: str
    seeds_sha256: str
    models: dict[str, str]  # by role, as params.yaml names them
    base: str
    tau: float
    replay: float
    rows: list[Row]  # of the cache pool: round, origin, rows
    quality: float | None  # percent
    pairs: int = 0  # preference pairs: the teacher scored higher than the student


def provenance(
    params: Params, tables: Tables, *, root: Path, round: str, commit: str | None, license: str
) -> Provenance:
    """Return the provenance of the rounds up to `round`."""
    seeds = root / params.seeds
    if not seeds.exists():
        raise InputError(
            f"seeds: {params.seeds}: no such file; restore it, since the card has its hash"
        )
    pool = tables.pool.filter(pl.col("round").is_in(_until(tables, round)))
    return Provenance(
        round=round,
        commit=commit,
        license=license,
        seeds=params.seeds,
        seeds_sha256=_sha256(seeds),
        models={role: params.model_of(role) for role in ("teacher", "referee", "generator")},
        base=params.student.base,
        tau=params.tau,
        replay=params.replay,
        rows=pool.group_by("round", "origin", maintain_order=True).agg(rows=pl.len()).to_dicts(),
        quality=quality_of(tables.evaluated.filter(round=round))["quality"],
        pairs=preferences(exported_rows(tables, _until(tables, round))).height,
    )


def check_replaceable(folder: Path) -> None:
    """Raise InputError if `folder` is anything but an earlier export, which a new one replaces."""
    is_export = folder.is_dir() and ((folder / _FACTS).exists() or not any(folder.iterdir()))
    if folder.is_symlink() or (folder.exists() and not is_export):
        raise InputError(f"{folder}: exists and is no export of Lion; give another --out")


def write_dataset(
    tables: Tables, about: Provenance, out: Path, card: str, *, thoughts: bool = False
) -> None:
    """Write train pool, cache pool and preference pairs to folder `out` atomically.

    With `thoughts`, the conversations include the teacher's thoughts.
    """
    rows = exported_rows(tables, _until(tables, about.round), thoughts=thoughts)
    train = rows.filter(round=about.round)
    if not train.height:
        raise InputError(f"--round {about.round}: no train pool; run `dvc repro` or `dvc pull`")
    with replacing_folder(out) as folder:
        train.write_ndjson(folder / POOLS["train_pool"])
        rows.write_ndjson(folder / POOLS["cache_pool"])
        if about.pairs:
            preferences(rows).write_ndjson(folder / PAIRS["preferences"])
        _write(folder, about, card)


def write_student(student: Path, tables: Tables, about: Provenance, out: Path, card: str) -> None:
    """Write the student to folder `out` as a whole model, with an adapter merged into its base.

    InputError if the written model gives the teacher's answers other probabilities than before.
    """
    from lion.student.merge import merge

    if not student.is_dir():
        raise InputError(f"{student}: no such student; run `dvc repro` or `dvc pull`")
    pool = tables.pool.filter(pl.col("round").is_in(_until(tables, about.round)))
    rows = usable(with_answers(pool, tables.answers)).tail(COMPARED)
    lessons = list(zip(tasks_of(rows), rows["answer"], strict=True))
    merge(student, out, lessons=lessons)
    _write(out, about, card)


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's files in the order of their paths."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _write(folder: Path, about: Provenance, card: str) -> None:
    facts = json.dumps(asdict(about), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / _FACTS).write_text(facts + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")


def _until(tables: Tables, round: str) -> list[str]:
    return tables.rounds[: tables.rounds.index(round) + 1]
