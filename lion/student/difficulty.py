"""How hard the teacher's answers are for a student: its mean loss per token, in a forward pass.

Tokens, template and mask are those of training; no request is made.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click
import polars as pl
import torch
from torch.nn.functional import cross_entropy

from lion.params import Compute, Params
from lion.pools.instructions import tasks_of
from lion.pools.tables import DIFFICULTY, from_rows
from lion.student import launch
from lion.student.answering import make_ready
from lion.student.batches import Collator
from lion.student.models import Loaded, load_options, load_student, model_digest
from lion.student.resumable import Resumable, keep_line, kept_lines, work_key
from lion.student.template import Example, pad_id
from lion.student.thoughts import encode_thoughtful
from lion.support.errors import LionError, ParamsError
from lion.support.progress import Progress

_LOGITS = 2**28  # of a forward pass, at most: a gigabyte in float32


class _Loss(NamedTuple):
    """The loss of one row's answer: its tokens, and their mean loss in nats."""

    row: int
    tokens: int
    mean: float


def difficulty_of(
    params: Params, student: Path, pool: pl.DataFrame, *, label: str, resumable: Resumable
) -> pl.DataFrame:
    """Return the losses (DIFFICULTY) of student folder `student` on the answers of `pool`.

    LionError if no loss is finite.
    """
    options = load_options(params.student, params.compute, trained=False)
    losses = answer_losses(
        load_student(student, options=options),
        pool,
        limit=params.imitate.max_length,
        compute=params.compute,
        label=label,
        resumable=resumable,
    )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # for vLLM, which counts what is free
    without = losses["loss"].null_count()
    if without and without == losses.height:
        raise LionError(
            f"{label}: none of {without} answers has a finite loss; check the student,"
            " student.precision and imitate.max_length"
        )
    if without and launch.is_main():
        click.echo(f"{label}: {without} of {losses.height} answers have no finite loss", err=True)
    return losses


def answer_losses(
    loaded: Loaded,
    pool: pl.DataFrame,
    *,
    limit: int,
    compute: Compute,
    label: str,
    resumable: Resumable,
) -> pl.DataFrame:
    """Return each row's loss (DIFFICULTY), null if it is not finite or no answer token is left.

    `pool` has instructions with answers and thoughts. As in training, a row ends after `limit`
    tokens. Every process of a launcher calls it and computes its share. All batches are fixed
    beforehand, since another batch rounds otherwise: a killed run resumes with equal losses.
    """
    lessons = zip(tasks_of(pool), pool["answer"], pool["thoughts"], strict=True)
    rows = [
        encode_thoughtful(loaded.tokenizer, loaded.thoughts, *lesson).cut(limit)
        for lesson in lessons
    ]
    make_ready(loaded, compute)
    batches = _batches(rows, most=compute.answer_batch, vocabulary=len(loaded.tokenizer))
    folder = resumable.claim(_key(loaded, rows, batches) if launch.is_main() else "")
    own = batches[launch.rank() :: launch.world()]
    made: list[_Loss] = []
    bar = Progress(sum(map(len, own)), label, unit="losses") if launch.is_main() else None
    with bar or nullcontext():
        for losses in _losses(loaded, rows, own, folder):
            made += losses
            if bar:
                bar.advance(len(losses))
    known = {loss.row: loss for loss in launch.gather(made)}
    whole = [known.get(row, _Loss(row, 0, math.nan)) for row in range(len(rows))]
    return from_rows(
        [_row(id, loss) for id, loss in zip(pool["id"], whole, strict=True)], DIFFICULTY
    )


def _row(id: str, loss: _Loss) -> dict[str, Any]:
    mean = round(loss.mean, 6) if math.isfinite(loss.mean) else None
    return {"id": id, "tokens": loss.tokens, "loss": mean}


def _batches(rows: Sequence[Example], *, most: int, vocabulary: int) -> list[list[int]]:
    """Return the rows of each forward pass, longest first: if memory runs out, it does at once."""
    batches: list[list[int]] = []
    width = 0
    learnt = [row for row in range(len(rows)) if len(rows[row].answer) > rows[row].thoughts]
    for row in sorted(learnt, key=lambda row: -len(rows[row])):
        size = len(batches[-1]) if batches else most
        if size >= most or (size + 1) * width * vocabulary > _LOGITS:
            batches.append([])
            width = len(rows[row])
        batches[-1].append(row)
    return batches


def _key(loaded: Loaded, rows: Sequence[Example], batches: list[list[int]]) -> str:
    """Return a key of everything that the losses depend on."""
    weights = model_digest(str(loaded.folder)) if loaded.folder else None
    texts = [[row.prompt, row.answer] for row in rows]
    return work_key("losses", weights, loaded.base, str(loaded.model.dtype), texts, batches)


def _losses(
    loaded: Loaded, rows: Sequence[Example], batches: list[list[int]], folder: Path | None
) -> Iterator[list[_Loss]]:
    """Yield the losses of each batch, those first that a killed run has kept."""
    kept = [[_Loss(*loss) for loss in line] for line in (kept_lines(folder) if folder else [])]
    done = {losses[0].row: losses for losses in kept}
    collate = Collator(pad_id(loaded.tokenizer))
    for batch in batches:
        losses = done.get(batch[0])
        if losses is None:
            losses = _forward(loaded, rows, batch, collate)
            if folder:
                keep_line(folder, losses)
        yield losses


@torch.inference_mode()
def _forward(
    loaded: Loaded, rows: Sequence[Example], batch: list[int], collate: Collator
) -> list[_Loss]:
    inputs = collate([[rows[row] for row in batch]])
    place = loaded.model.device
    try:
        logits = loaded.model(  # (B, T, vocabulary)
            input_ids=inputs["input_ids"].to(place),
            attention_mask=inputs["attention_mask"].to(place),
        ).logits
        losses = []
        for row, values in zip(batch, logits, strict=True):
            start = max(len(rows[row].prompt), 1)
            targets = torch.tensor([*rows[row].prompt, *rows[row].answer][start:], device=place)
            before = values[start - 1 : start - 1 + len(targets)]
            mean = cross_entropy(before.float(), targets).item()
            losses.append(_Loss(row, len(targets), mean))
        return losses
    except torch.OutOfMemoryError:
        raise ParamsError(
            f"out of memory with {len(batch)} losses at a time; lower compute.answer_batch"
        ) from None
