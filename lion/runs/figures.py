"""The figures of a run: one row per round, and the tables behind the plots.

A figure that a round lacks is None, never 0: r0 has no examination, and a run may be unfinished.
"""

from pathlib import Path
from typing import Any

import polars as pl

from lion.discriminate.scores import changed_verdicts
from lion.evaluate.equilibrium import equilibrium
from lion.evaluate.quality import ALL, quality_by_category
from lion.evaluate.statistics import draws, ratio
from lion.pools.cache import usable
from lion.pools.tables import ACCEPTED, Schema
from lion.runs.run import Tables, round_number, round_numbers
from lion.runs.trust import flip_share
from lion.support.errors import InputError
from lion.support.text import visible

Row = dict[str, Any]
_OF_EXAM = ("examined", "pool", "one_order", "checked", "changed")  # figures that few runs have


def round_rows(tables: Tables) -> list[Row]:
    """Return one row per round, in order.

    If any round examined only a part of its cache pool, all rows also have `examined` and `pool`.
    If any round judged rows in one order, all rows also have `one_order` (their number), `checked`
    (clear rows that were judged in both orders) and `changed` (verdicts that the second order
    changed).
    """
    rows = [_round_row(tables, name) for name in tables.rounds]
    exams = [_exam(tables, name) for name in tables.rounds]
    if any(exam["examined"] != exam["pool"] for exam in exams):
        rows = [row | exam for row, exam in zip(rows, exams, strict=True)]
    orders = [_orders(tables, name) for name in tables.rounds]
    if any(row["one_order"] for row in orders):
        rows = [row | order for row, order in zip(rows, orders, strict=True)]
    return rows


def _exam(tables: Tables, name: str) -> Row:
    """Return how many rows of which pool size were examined; None before the round has a pool."""
    before = tables.rounds[: tables.rounds.index(name)]
    if not before or not tables.pool.filter(round=name).height:
        return {"examined": None, "pool": None}
    pool = usable(tables.answers.filter(pl.col("round").is_in(before)))
    return {"examined": tables.scores.filter(round=name).height, "pool": pool.height}


def _orders(tables: Tables, name: str) -> Row:
    verdicts = tables.scores.filter(round=name)
    changed, checked = changed_verdicts(verdicts)
    return {"one_order": verdicts["orders"].count(), "checked": checked, "changed": changed}


def examined_text(rows: list[Row]) -> str:
    """Describe the rounds, if any, that examined a part of their pool, or in one order."""
    parts = [
        f"{row['examined']:,} of {row['pool']:,} rows in {row['round']}"
        for row in rows
        if row.get("pool")
    ]
    orders = [
        f"{row['one_order']:,} in {row['round']} ({row['changed']:,} of {row['checked']:,} checked "
        "verdicts changed)"
        for row in rows
        if row.get("one_order")
    ]
    texts = (("Judged", parts), ("Judged in one order", orders))
    return " ".join(f"{title}: {', '.join(listed)}." for title, listed in texts if listed)


def _round_row(tables: Tables, name: str) -> Row:
    evaluated = tables.evaluated.filter(round=name)
    verdicts = tables.scores.filter(round=name)
    judged = verdicts.drop_nulls("gap")
    reviews = tables.reviews.filter(round=name)
    drawn = tables.draws.filter(round=name)
    losses = loss_table(tables).filter(round=name)
    balance = equilibrium(reviews) if reviews.height else None
    return {
        "round": name,
        "new": tables.pool.filter(round=name).height or None,
        **quality_of(evaluated),
        "judged": evaluated["gap"].is_not_null().sum() if evaluated.height else None,
        "asked": evaluated.height or None,
        "hard_share": _share(judged["verdict"] == "hard"),
        "mean_gap": _mean(judged["gap"]),
        "win_rate": balance and balance.win_rate,
        "unjudged_share": _share(verdicts["gap"].is_null()),
        "unreadable_share": _share(reviews["student"].is_null()),
        "flip_share": balance and flip_share(balance),
        "draws": drawn.height or None,
        "acceptance": _share(drawn["verdict"] == ACCEPTED),
        "loss": _mean(losses["loss"].tail(10)),
        **_held_out(tables.question_losses.filter(round=name)),
        "finding": balance and balance.finding(),
    }


def quality_of(evaluated: pl.DataFrame) -> Row:
    """Return the relative quality in percent with its 95% interval; None if nothing was judged."""
    names = ("quality", "quality_low", "quality_high")
    judged = evaluated.drop_nulls("gap")
    if not judged["teacher"].sum():
        return dict.fromkeys(names)
    student, teacher = (judged[side].to_numpy() for side in ("student", "teacher"))
    interval = ratio(draws(judged.height), student, teacher).scaled(100)
    return dict(zip(names, interval, strict=True))


def _held_out(losses: pl.DataFrame) -> Row:
    """Return the mean loss per token on the teacher's answers to questions, with its interval."""
    names = ("held_out", "held_out_low", "held_out_high")
    known = losses.drop_nulls("loss")
    if not known.height or not known["loss"].is_finite().all():
        return dict.fromkeys(names)
    tokens = known["tokens"].to_numpy()
    interval = ratio(draws(known.height), known["loss"].to_numpy() * tokens, tokens)
    return dict(zip(names, interval.scaled(1, digits=4), strict=True))


def control_of(rows: list[Row], label: str) -> pl.DataFrame | None:
    """Return a run's quality, to draw beside another's: round (a number), quality, label."""
    known = [
        {"round": round_number(row["round"]), "quality": row["quality"], "label": label}
        for row in rows
        if row["quality"] is not None
    ]
    return pl.DataFrame(known) if known else None


def read_control(path: str | None, root: Path = Path()) -> pl.DataFrame | None:
    """Return the `control_of` another run from its rounds.csv, if there is a `path`."""
    if path is None:
        return None
    try:
        types = {"round": pl.String, "quality": pl.Float64}
        rows = pl.read_csv(root / path, columns=list(types), schema_overrides=types).to_dicts()
        return control_of(rows, "control")
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"report.control: {path} is not a table with columns round and quality "
            f"({visible(str(error).splitlines()[0])}). Use another run's rounds.csv."
        ) from None


def metrics(rows: list[Row]) -> Row:
    """Return the figures that `dvc exp show` lists, mostly those of the last round."""
    first, last = rows[0], rows[-1]
    known = last["quality"] is not None and first["quality"] is not None
    return {
        "relative_quality": last["quality"],
        "gain": round(last["quality"] - first["quality"], 2) if known else None,
        "held_out_loss": last["held_out"],
        **{name: last[name] for name in ("hard_share", "mean_gap", "unjudged_share", "acceptance")},
        **{name: last[name] for name in _OF_EXAM if name in last},
        "quality": {row["round"]: row["quality"] for row in rows},
    }


def quality_table(tables: Tables) -> pl.DataFrame:
    """Return quality by round (a number) and category, judged and asked; 'all' is the total.

    Only the total has an interval, quality_low and quality_high.
    """
    schema: Schema = {"round": pl.Int32, "category": pl.String}
    schema |= dict.fromkeys(("quality", "quality_low", "quality_high"), pl.Float64)
    schema |= dict.fromkeys(("judged", "asked"), pl.Int64)
    parts = [pl.DataFrame(schema=schema)]
    for name in tables.rounds:
        scores = tables.evaluated.filter(round=name).drop("round")
        if not scores["teacher"].sum():
            continue
        table = quality_by_category(scores, tables.questions).filter(pl.col("category") != ALL)
        counts = {"judged": scores["gap"].count(), "asked": scores.height}
        total = pl.DataFrame([{"category": ALL, **quality_of(scores), **counts}])
        both = pl.concat([total, table], how="diagonal_relaxed")
        rows = both.with_columns(round=round_number(name)).select(*schema)
        parts.append(rows.cast(pl.Schema(schema)))
    return pl.concat(parts)


def gap_table(tables: Tables) -> pl.DataFrame:
    """Return a histogram of the gap: columns round, gap (lower edge of half a point), rows."""
    judged = tables.scores.drop_nulls("gap")
    counts = judged.group_by("round", gap=(pl.col("gap") * 2).floor() / 2).agg(rows=pl.len())
    return counts.sort(round_numbers(), "gap")


def loss_table(tables: Tables) -> pl.DataFrame:
    """Return the loss of imitation, without that of contrast: columns round, step, loss."""
    return tables.losses.filter(pl.col("accuracy").is_null()).select("round", "step", "loss")


def percent(share: float | None) -> str:
    """Format a share as '12.3%', an unknown one as '-'."""
    return "-" if share is None else f"{100 * share:.1f}%"


def _share(flags: pl.Series) -> float | None:
    return _mean(flags.cast(pl.Float64))


def _mean(values: pl.Series) -> float | None:
    """Return the mean, or None if there are no values."""
    mean = values.mean()
    return None if mean is None else round(float(mean), 4)  # type: ignore[arg-type]
