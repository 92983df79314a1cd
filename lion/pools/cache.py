"""The cache pool: a folder with one shard per round, each the answered train pool of that round.

The train pool is what a round learns from; the cache pool holds every instruction so far.
"""

import shutil
from pathlib import Path

import polars as pl

from lion.pools.instructions import stable_seed
from lion.pools.tables import ANSWER, ANSWERED, from_rows, read_table, write_table
from lion.prompts.marks import UNCLEAR
from lion.support.errors import InputError
from lion.support.files import replacing_folder


def read_cache(folder: Path) -> pl.DataFrame:
    """Return the whole cache pool, oldest round first; empty before round 0."""
    if not folder.is_dir():
        raise InputError(f"{folder}: cache pool not found; run `dvc repro` or `dvc pull`")
    named = [path for path in folder.glob("r*.jsonl") if path.stem[1:].isdecimal()]
    shards = sorted(named, key=lambda path: int(path.stem[1:]))
    frames = [read_table(shard, ANSWERED) for shard in shards]
    return pl.concat([pl.DataFrame(schema=ANSWERED), *frames])


def start_cache(out: Path) -> None:
    """Write the cache pool before round 0: one empty shard, since DVC warns of an empty folder."""
    with replacing_folder(out) as folder:
        write_table(folder / "base.jsonl", from_rows([], ANSWERED), ANSWERED)


def grow_cache(
    before: Path,
    shard: pl.DataFrame,
    name: str,
    out: Path,
    *,
    rewrites: pl.DataFrame | None = None,
) -> None:
    """Write the cache pool `out`: the shards of `before`, and `shard` as `name`.

    An earlier shard changes only in rows that have a new answer in `rewrites` (ANSWER).
    """
    with replacing_folder(out) as folder:
        for path in sorted(before.glob("r*.jsonl")):
            if rewrites is None or rewrites.is_empty():
                shutil.copyfile(path, folder / path.name)
            else:
                earlier = with_rewrites(read_table(path, ANSWERED), rewrites)
                write_table(folder / path.name, earlier, ANSWERED)
        write_table(folder / f"{name}.jsonl", shard, ANSWERED)


def with_answers(pool: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Add to each instruction of `pool` its answer; InputError names an instruction without one."""
    missing = pool.join(answers, on="id", how="anti")
    if missing.height:
        raise InputError(f"{missing.height} instructions have no answer, first {missing['id'][0]}")
    columns = answers.select("id", "answer", "finish_reason", "thoughts")
    return pool.join(columns, on="id", how="left", maintain_order="left")


def with_rewrites(pool: pl.DataFrame, rewrites: pl.DataFrame) -> pl.DataFrame:
    """Return `pool`, each row with its last complete answer in `rewrites` (ANSWER), if any."""
    names = [name for name in ANSWER if name in pool.columns and name != "id"]
    last = usable(rewrites).unique("id", keep="last", maintain_order=True).select("id", *names)
    return pool.update(last, on="id", include_nulls=True)


def usable(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a complete answer: not cut by the token limit, refused or empty."""
    return frame.filter(finish_reason="stop").filter(pl.col("answer").str.strip_chars() != "")


def in_exam_order(pool: pl.DataFrame, *, newest: str, round: str, seed: int) -> pl.DataFrame:
    """Return `pool` in the order of examination: rows of round `newest` first, else at random.

    A row's place depends only on its id, the seed and the round, so a larger sample contains every
    smaller one.
    """
    places = [stable_seed("examine", seed, round, id) for id in pool["id"]]
    keyed = pool.with_columns(
        later=pl.col("round") != newest, place=pl.Series(places, dtype=pl.Int64)
    )
    return keyed.sort("later", "place", "id").drop("later", "place")


def drawn_for_exam(
    pool: pl.DataFrame, count: int, *, newest: str, round: str, seed: int
) -> pl.DataFrame:
    """Return the first `count` rows to examine, in the order of `pool`."""
    first = in_exam_order(pool, newest=newest, round=round, seed=seed).head(count)
    return pool.filter(pl.col("id").is_in(first["id"].to_list()))


def without_unclear(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with empty answers where thoughts cannot be separated from the answer."""
    unclear = pl.col("finish_reason") == UNCLEAR
    return frame.with_columns(answer=pl.when(unclear).then(pl.lit("")).otherwise("answer"))


def with_responses(pool: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """Return the instructions that the student answered, with its answer as `response`."""
    columns = responses.select("id", response="answer")
    return pool.join(columns, on="id", how="inner", maintain_order="left")
