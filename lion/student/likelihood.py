"""The likelihood of given answers under the student: one forward pass, no sampling, no judge.

Tokens, template and mask are those of training. No request is sent.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from math import isfinite, nan
from pathlib import Path
from typing import Any

import click
import polars as pl
import torch
from transformers import PreTrainedModel

from lion.params import Compute, Params
from lion.pools.instructions import tasks_of
from lion.pools.tables import ANSWER_LOSS, from_rows
from lion.student import launch
from lion.student.answering import make_ready
from lion.student.batches import Collator
from lion.student.models import Loaded, load_options, load_student, model_digest
from lion.student.resumable import Resumable, keep_line, kept_lines, work_key
from lion.student.template import Example, pad_id
from lion.student.thoughts import encode_thoughtful
from lion.support.errors import LionError
from lion.support.progress import Progress

TOKENS = 2048  # of a forward pass, including padding; bounds the memory of the logits
Loss = tuple[int, int, float]  # a row, the tokens of its answer, their mean loss in nats


def losses_of(
    params: Params, student: Path, pool: pl.DataFrame, *, label: str, resumable: Resumable
) -> pl.DataFrame:
    """Return the losses (ANSWER_LOSS) of student folder `student` on the answers of `pool`."""
    options = load_options(params.student, params.compute, trained=False)
    losses = losses_on(
        load_student(student, options=options),
        pool,
        limit=params.imitate.max_length,
        compute=params.compute,
        label=label,
        resumable=resumable,
    )
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # for vLLM, which counts what is free
    if (without := losses["loss"].null_count()) and launch.is_main():
        click.echo(f"{label}: {without} of {losses.height} answers have no finite loss", err=True)
    return losses


def check_losses(losses: pl.DataFrame, *, label: str) -> None:
    """Raise LionError if there are losses (ANSWER_LOSS), but none is finite."""
    if losses.height and losses["loss"].is_null().all():
        raise LionError(
            f"{label}: none of {losses.height} answers has a finite loss; check the student,"
            " student.precision and imitate.max_length"
        )


def losses_on(
    loaded: Loaded,
    pool: pl.DataFrame,
    *,
    limit: int,
    compute: Compute,
    label: str,
    resumable: Resumable,
) -> pl.DataFrame:
    """Return each row's loss (ANSWER_LOSS), null if it is not finite or no answer token is left.

    `pool` has instructions with answers and thoughts. As in training, a row is cut after `limit`
    tokens. Every process of a launcher must call it; each computes its share. Forward passes are
    planned before any is computed, because another grouping rounds differently: so a killed run
    resumes with equal losses.
    """
    lessons = zip(tasks_of(pool), pool["answer"], pool["thoughts"], strict=True)
    rows = [
        encode_thoughtful(loaded.tokenizer, loaded.thoughts, *lesson).cut(limit)
        for lesson in lessons
    ]
    make_ready(loaded, compute)
    learnt = [row for row, example in enumerate(rows) if len(example.answer) > example.thoughts]
    plan = [[learnt[place] for place in each] for each in _passes([rows[row] for row in learnt])]
    folder = resumable.claim(_key(loaded, rows, plan) if launch.is_main() else "")
    own = plan[launch.rank() :: launch.world_size()]
    made: list[Loss] = []
    bar = Progress(sum(map(len, own)), label, unit="losses") if launch.is_main() else None
    with bar or nullcontext():
        for losses in _losses(loaded, rows, own, folder):
            made += losses
            if bar:
                bar.advance(len(losses))
    known = {row: (tokens, loss) for row, tokens, loss in launch.gather(made)}
    whole = [known.get(row, (0, nan)) for row in range(len(rows))]
    return from_rows(
        [_row(id, *loss) for id, loss in zip(pool["id"], whole, strict=True)], ANSWER_LOSS
    )


def _row(id: str, tokens: int, loss: float) -> dict[str, Any]:
    return {"id": id, "tokens": tokens, "loss": round(loss, 6) if isfinite(loss) else None}


def _key(loaded: Loaded, rows: Sequence[Example], plan: list[list[int]]) -> str:
    """Return a hash of everything that the losses depend on."""
    weights = model_digest(str(loaded.folder)) if loaded.folder else None
    texts = [[row.prompt, row.answer] for row in rows]
    return work_key("losses", weights, loaded.base, str(loaded.model.dtype), texts, plan)


def _losses(
    loaded: Loaded, rows: Sequence[Example], plan: list[list[int]], folder: Path | None
) -> Iterator[list[Loss]]:
    """Yield the losses of each forward pass; reuse those that a killed run has saved."""
    lines = kept_lines(folder) if folder else ()
    done = {line[0][0]: [(row, tokens, loss) for row, tokens, loss in line] for line in lines}
    for each in plan:
        losses = done.get(each[0])
        if losses is None:
            logs = log_probabilities(
                loaded.model, [rows[row] for row in each], pad=pad_id(loaded.tokenizer)
            )
            losses = [
                (row, len(log), -float(log.double().mean()))
                for row, log in zip(each, logs, strict=True)
            ]
            if folder:
                keep_line(folder, losses)
        yield losses


@torch.inference_mode()
def log_probabilities(
    model: PreTrainedModel,
    examples: Sequence[Example],
    *,
    pad: int = 0,
) -> list[torch.Tensor]:
    """Return the log-probability of each answer token, in nats, one float32 tensor per example."""
    model.eval()  # type: ignore[no-untyped-call]
    collate = Collator(pad)
    result = [torch.empty(0)] * len(examples)
    for rows in _passes(examples):
        batch = collate([[examples[row] for row in rows]])
        ids, mask = (batch[name].to(model.device) for name in ("input_ids", "attention_mask"))
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        for row, each, tokens in zip(rows, logits, ids, strict=True):
            first, end = max(len(examples[row].prompt), 1), len(examples[row])
            scores = torch.log_softmax(each[first - 1 : end - 1].float(), dim=-1)
            result[row] = scores.gather(1, tokens[first:end, None])[:, 0].cpu()
    return result


def _passes(examples: Sequence[Example]) -> Iterator[list[int]]:
    """Yield the rows of each forward pass: of similar length, at most TOKENS padded, or one row."""
    rows: list[int] = []
    for row in sorted(range(len(examples)), key=lambda row: len(examples[row])):
        if rows and (len(rows) + 1) * len(examples[row]) > TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
