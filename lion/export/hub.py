"""A round's pools as a dataset, and its student as a model, with their provenance."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
from dvc.repo import Repo
from dvc.scm import SCMError

from lion.export.cards import PAIRS, POOLS, Provenance, dataset_card, model_card
from lion.export.rows import preferences
from lion.params import Params, load_params
from lion.pools.cache import usable
from lion.pools.instructions import tasks_of
from lion.runs.figures import quality_of
from lion.runs.project import open_project
from lion.runs.run import Tables, pipeline_variable
from lion.support.errors import InputError
from lion.support.files import replacing_folder

_FACTS = "provenance.json"
_COMPARED = 8  # answers that the written student must give the trained one's probabilities


@dataclass(frozen=True)
class Places:
    """The project's root, its parameters and commit, and a round with its student's folder.

    `commit` ends in -dirty if a tracked file has changed since; None without git or a commit.
    """

    root: Path
    params: Params
    commit: str | None
    round: str
    student: Path


def places_of(round: str) -> Places:
    """Find the student of `round`; InputError if there is no such round."""
    with open_project() as repo:
        root, commit = Path(repo.root_dir), _commit(repo)
    params = load_params(root / "params.yaml")
    if round not in params.round_names:
        names = ", ".join(params.round_names)
        raise InputError(f"--round {round}: no such round; params.yaml names {names}")
    student = root / pipeline_variable(root, "students") / round
    return Places(root, params, commit, round, student)


def _commit(repo: Repo) -> str | None:
    try:
        return str(repo.get_rev()) + ("-dirty" if repo.scm.is_dirty() else "")
    except SCMError:
        return None


def provenance(places: Places, tables: Tables, rows: pl.DataFrame, *, license: str) -> Provenance:
    """Return the provenance of `rows` (see `exported_rows`) and of the student."""
    params = places.params
    seeds = places.root / params.seeds
    if not seeds.exists():
        raise InputError(
            f"seeds: {params.seeds}: no such file; restore it, since the card has its hash"
        )
    return Provenance(
        round=places.round,
        commit=places.commit,
        license=license,
        seeds=params.seeds,
        seeds_sha256=_sha256(seeds),
        models={role: params.model_of(role) for role in ("teacher", "referee", "generator")},
        base=params.student.base,
        tau=params.tau,
        replay=params.replay,
        rows=rows.group_by("round", "origin", maintain_order=True).agg(rows=pl.len()).to_dicts(),
        quality=quality_of(tables.evaluated.filter(round=places.round))["quality"],
        pairs=preferences(rows).height,
    )


def check_replaceable(folder: Path) -> None:
    """Raise InputError if `folder` is anything but an earlier export, which a new one replaces."""
    is_export = folder.is_dir() and ((folder / _FACTS).exists() or not any(folder.iterdir()))
    if folder.is_symlink() or (folder.exists() and not is_export):
        raise InputError(f"{folder}: exists and is no export of Lion; give another --out")


def write_dataset(rows: pl.DataFrame, about: Provenance, out: Path) -> None:
    """Write train pool, cache pool and preference pairs to folder `out` atomically."""
    train = rows.filter(round=about.round)
    if not train.height:
        raise InputError(f"--round {about.round}: no train pool; run `dvc repro` or `dvc pull`")
    with replacing_folder(out) as folder:
        train.write_ndjson(folder / POOLS["train_pool"])
        rows.write_ndjson(folder / POOLS["cache_pool"])
        if about.pairs:
            preferences(rows).write_ndjson(folder / PAIRS["preferences"])
        _describe(folder, about, dataset_card(about))


def write_student(student: Path, rows: pl.DataFrame, about: Provenance, out: Path) -> None:
    """Write the student to folder `out` as a whole model, with an adapter merged into its base.

    InputError if the written model gives the teacher's answers other probabilities than before.
    """
    from lion.student.merge import merge

    if not student.is_dir():
        raise InputError(f"{student}: no such student; run `dvc repro` or `dvc pull`")
    known = usable(rows.rename({"output": "answer"})).tail(_COMPARED)
    merge(student, out, lessons=list(zip(tasks_of(known), known["answer"], strict=True)))
    _describe(out, about, model_card(about))


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's files in the order of their paths."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _describe(folder: Path, about: Provenance, card: str) -> None:
    facts = json.dumps(asdict(about), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / _FACTS).write_text(facts + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")
