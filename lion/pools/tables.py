"""Table schemas, checked reads and atomic writes.

Pools, answers and replies are JSONL with sorted keys, for stable bytes and readable diffs. Score
tables are Parquet. An optional column is written only if some row has a value in it, and is read as
null where a table lacks it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from lion.support.errors import InputError
from lion.support.files import replacing

Schema = dict[str, Any]
Keep = Callable[[pl.DataFrame], pl.DataFrame]
# Columns that a table may lack.
OPTIONAL = {
    *("accuracy", "student_thoughts", "system", "thoughts", "turns"),
    *("first_verdict", "identical", "judged_output", "orders", "purpose"),
}

INSTRUCTION: Schema = {
    "id": pl.String,  # hash of instruction, input and, if there are any, system and turns
    "input": pl.String,  # Alpaca's; may be empty
    "instruction": pl.String,
    "origin": pl.String,  # seed | hard | easy
    "parent": pl.String,  # id of the instruction that inspired it; null for a seed
    "round": pl.String,  # the round whose train pool it joined
    "system": pl.String,  # system prompt
    "turns": pl.String,  # earlier turns, a JSON list of {"role", "content"}
}
QUESTION: Schema = {
    "category": pl.String,
    "id": pl.String,
    "input": pl.String,
    "instruction": pl.String,
    "system": pl.String,
    "turns": pl.String,
}
ANSWER: Schema = {
    "answer": pl.String,
    "completion_tokens": pl.Int64,
    "finish_reason": pl.String,  # stop | length | content_filter | ...
    "id": pl.String,
    "model": pl.String,  # as the server reports it
    "prompt_tokens": pl.Int64,
    "thoughts": pl.String,  # before the answer; null unless the student learns them
}
# A shard of the cache pool: an instruction with the teacher's answer.
_OF_ANSWER = ("answer", "finish_reason", "thoughts")
ANSWERED: Schema = dict(sorted({**INSTRUCTION, **{n: ANSWER[n] for n in _OF_ANSWER}}.items()))
REVIEW: Schema = {
    "attempt": pl.Int64,  # 0, then 1.. after an unreadable reply
    "completion_tokens": pl.Int64,
    "id": pl.String,
    "identical": pl.Boolean,  # true if both answers are the same, else null
    "model": pl.String,
    "order": pl.String,  # teacher_first | student_first
    "prompt_tokens": pl.Int64,
    "purpose": pl.String,  # of an optional second order: measure | close | check
    "reply": pl.String,  # raw
    "student": pl.Float64,  # score 1..10, or null: unreadable
    "teacher": pl.Float64,
}
SCORE: Schema = {
    "id": pl.String,
    "teacher": pl.Float64,  # mean over both orders, or null: unjudged
    "student": pl.Float64,
    "gap": pl.Float64,  # teacher - student
}
VERDICT: Schema = {
    **SCORE,
    "verdict": pl.String,  # hard | easy | unjudged
    # With examine.second_order. `orders` is 1 for a row judged in one order, whose gap is the
    # difference of its scores less the position bias. A checked row keeps the verdict of its
    # first order in `first_verdict`.
    "orders": pl.Int64,
    "first_verdict": pl.String,
}
ACCEPTED = "accepted"  # verdict of a draw that joined the train pool
DRAW: Schema = {
    "draw": pl.Int64,  # 0.. in the order drawn
    "instruction": pl.String,  # the reply
    "nearest": pl.String,  # id of the instruction or question that it repeats, if any
    "origin": pl.String,  # hard | easy
    "parent": pl.String,
    "similarity": pl.Float64,  # ROUGE-L F-measure to `nearest`
    "system": pl.String,  # the parent's system prompt, which a new instruction inherits
    "verdict": pl.String,  # accepted, or the reason for the rejection
}
LOSS: Schema = {
    "step": pl.Int64,
    "loss": pl.Float64,  # mean over the answers' tokens of the step, in nats
    "learning_rate": pl.Float64,
    "grad_norm": pl.Float64,
    "tokens": pl.Int64,  # in the step's rows, without padding
    "accuracy": pl.Float64,  # share of the step's pairs that prefer the teacher; null in imitation
}
ANSWER_LOSS: Schema = {
    "id": pl.String,
    "tokens": pl.Int64,  # of the answer, EOS included
    "loss": pl.Float64,  # mean over these tokens, in nats; null without a token
}
_REQUIRED = {"id", "instruction", "origin", "round"}  # never null in a schema that has them
_PATTERNS = {"origin": r"^(seed|hard|easy)$", "round": r"^r\d{1,9}$"}  # people edit pools


_BLOCK = 8_000_000  # bytes of a JSONL file parsed at a time
_RESTORE = "restore the file with `dvc checkout` or `dvc repro`"


def read_table(path: Path, schema: Schema, *, keep: Keep | None = None) -> pl.DataFrame:
    """Read a table that a stage wrote; InputError if columns, types or values are unexpected.

    `keep` reduces each block of rows of a JSONL file to what is needed; the rows and texts that it
    drops take no memory.
    """
    frame = with_optional(_frame(path, schema, keep), schema)
    if dict(frame.schema) != schema:
        raise InputError(f"{path}: expected columns {', '.join(schema)}, found {frame.columns}")
    for name in _REQUIRED & set(schema):
        if frame[name].null_count():
            row = frame[name].is_null().arg_true()[0] + 1
            raise InputError(f"{path}, row {row}: missing {name}; {_RESTORE}")
    for name in _PATTERNS.keys() & set(schema):
        if (odd := frame.filter(~pl.col(name).str.contains(_PATTERNS[name]))).height:
            raise InputError(f"{path}: {odd[name][0]!r} is not a valid {name}; {_RESTORE}")
    if "turns" in schema:
        _check_turns(path, frame["turns"].drop_nulls().unique(maintain_order=True))
    return frame


def _check_turns(path: Path, column: pl.Series) -> None:
    """Raise InputError if earlier turns are not a list of messages."""
    for text in column:
        try:
            turns = json.loads(text)
            known = isinstance(turns, list) and all(map(_is_message, turns))
        except (ValueError, TypeError, RecursionError):
            known = False
        if not known:
            raise InputError(f"{path}: {text!r:.60} is not a valid list of turns; {_RESTORE}")


def _is_message(turn: object) -> bool:
    return isinstance(turn, dict) and all(isinstance(turn.get(k), str) for k in ("role", "content"))


def with_optional(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return `frame` with nulls in the optional columns of `schema` that it lacks."""
    missing = [name for name in schema if name in OPTIONAL - {*frame.columns}]
    if not missing:
        return frame
    full = frame.with_columns(pl.lit(None, dtype=schema[name]).alias(name) for name in missing)
    return full.select(*(name for name in schema if name in full.columns), pl.exclude(*schema))


def _frame(path: Path, schema: Schema, keep: Keep | None) -> pl.DataFrame:
    """Read `path` by its suffix; InputError if it is missing or damaged."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: a folder, expected a table; {_RESTORE}")
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.stat().st_size == 0:
            return pl.DataFrame(schema=schema)
        return _in_blocks(path, schema, keep) if keep else pl.read_ndjson(path, schema=schema)
    except FileNotFoundError:
        raise InputError(f"{path}: table not found; run `dvc repro` or `dvc pull`") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{path}: not a table: {reason}; {_RESTORE}") from None


def _in_blocks(path: Path, schema: Schema, keep: Keep) -> pl.DataFrame:
    """Read a JSONL file in blocks, since parsing it whole takes several times its size."""
    parts = [pl.DataFrame(schema=schema)]
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            parts.append(keep(pl.read_ndjson(block + file.readline(), schema=schema)))
    return pl.concat(parts)


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy a small frame, since filtered rows keep the texts of all other rows in memory."""
    return pl.DataFrame(frame.to_dict(as_series=False), schema=frame.schema)


def read_pool(path: Path) -> pl.DataFrame:
    """Read a table of instructions or of questions."""
    try:
        with path.open("rb") as file:
            schema = QUESTION if b'"category":' in file.readline() else INSTRUCTION
    except OSError:
        schema = INSTRUCTION  # read_table says what is wrong
    return read_table(path, schema)


def write_table(path: Path, frame: pl.DataFrame, schema: Schema) -> None:
    """Write `frame` atomically, columns in the schema's order; optional ones only if needed."""
    frame = with_optional(frame, schema)
    frame = frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    frame = without_unused(frame)
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            frame.write_parquet(temporary)
        else:
            frame.write_ndjson(temporary)


def without_unused(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` without the optional columns that have no value in any row."""
    optional = OPTIONAL.intersection(frame.columns)
    return frame.drop(name for name in optional if frame[name].is_null().all())


def from_rows(rows: list[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    """Build a frame from dictionaries; a row must have every column that is not optional."""
    return pl.DataFrame(rows, schema=schema, orient="row")
