"""The likelihood of given answers under the student: one forward pass, no sampling, no judge.

Tokens, template and mask are those of training. No request is sent.
"""

from collections.abc import Iterator, Sequence
from functools import partial
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
from lion.student.models import Loaded, load_options, load_student
from lion.student.resumable import Results, Resumable, shared_work, work_key
from lion.student.template import Example, pad_id
from lion.student.thoughts import encode_thoughtful
from lion.support.errors import LionError

TOKENS = 2048  # of a forward pass, including padding; bounds the memory of the logits


def losses_of(
    params: Params,
    student: Path,
    pool: pl.DataFrame,
    *,
    label: str,
    resumable: Resumable | None = None,
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
    resumable: Resumable | None = None,
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
    texts = [[row.prompt, row.answer] for row in rows]
    known = shared_work(
        plan,
        partial(_losses, loaded, rows),
        resumable=resumable,
        key=lambda: work_key("mean losses", loaded.identity, texts, plan),
        label=label,
        unit="losses",
    )
    return from_rows(
        [_row(id, *known.get(row, (0, nan))) for row, id in enumerate(pool["id"])], ANSWER_LOSS
    )


def _row(id: str, tokens: int, loss: float) -> dict[str, Any]:
    return {"id": id, "tokens": tokens, "loss": round(loss, 6) if isfinite(loss) else None}


def _losses(loaded: Loaded, rows: Sequence[Example], plan: list[list[int]]) -> Iterator[Results]:
    """Yield the tokens and mean losses in nats of the answers of each forward pass."""
    pad = pad_id(loaded.tokenizer)
    for each in plan:
        logs = log_probabilities(loaded.model, [rows[row] for row in each], pad=pad)
        yield [
            (row, (len(log), -float(log.double().mean())))
            for row, log in zip(each, logs, strict=True)
        ]


@torch.inference_mode()
def log_probabilities(
    model: PreTrainedModel, examples: Sequence[Example], *, pad: int = 0
) -> list[torch.Tensor]:
    """Return the log-probability of each answer token, in nats, by one forward pass.

    There is one float32 tensor per example.
    """
    model.eval()  # type: ignore[no-untyped-call]
    batch = Collator(pad)([list(examples)])
    ids, mask = (batch[name].to(model.device) for name in ("input_ids", "attention_mask"))
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    result = []
    for example, each, tokens in zip(examples, logits, ids, strict=True):
        first, end = max(len(example.prompt), 1), len(example)
        scores = torch.log_softmax(each[first - 1 : end - 1].float(), dim=-1)
        result.append(scores.gather(1, tokens[first:end, None])[:, 0].cpu())
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
