"""How likely the student finds given answers: one forward pass, nothing is sampled or judged."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import torch
from transformers import PreTrainedModel

from lion.params import Params
from lion.pools.instructions import tasks_of
from lion.pools.tables import ANSWER_LOSS
from lion.student import launch
from lion.student.batches import Collator
from lion.student.models import device, load_options, load_student
from lion.student.template import Example, pad_id
from lion.student.thoughts import encode_thoughtful
from lion.support.progress import Progress

TOKENS = 2048  # of a forward pass, padding included: bounds the memory of the logits


def answer_losses(
    params: Params, student: Path, pairs: pl.DataFrame, *, label: str
) -> pl.DataFrame:
    """Return the loss (ANSWER_LOSS) of student folder `student` on the answers in `pairs`.

    Rows are encoded as in training and cut to the model's context. No row if another engine than
    transformers answers: it may hold the accelerator's memory, or run elsewhere.
    """
    if params.student.engine != "transformers":
        return pl.DataFrame(schema=ANSWER_LOSS)
    launch.limit_threads(params.compute)
    loaded = load_student(
        student, options=load_options(params.student, params.compute, trained=False)
    )
    if not getattr(loaded.model, "is_quantized", False):
        loaded.model.to(device(params.compute.device))  # type: ignore[arg-type]
    context = getattr(loaded.model.config, "max_position_embeddings", None) or sys.maxsize
    lessons = zip(tasks_of(pairs), pairs["answer"], pairs["thoughts"], strict=True)
    examples = [
        encode_thoughtful(loaded.tokenizer, loaded.thoughts, *lesson).cut(context)
        for lesson in lessons
    ]
    with Progress(len(examples), label, unit="answers") as bar:
        rows = log_probabilities(
            loaded.model, examples, pad=pad_id(loaded.tokenizer), advance=bar.advance
        )
    means = [-float(row.double().mean()) if len(row) else None for row in rows]
    table = {"id": pairs["id"], "tokens": [len(row) for row in rows], "loss": means}
    return pl.DataFrame(table, schema=ANSWER_LOSS)


@torch.inference_mode()
def log_probabilities(
    model: PreTrainedModel,
    examples: Sequence[Example],
    *,
    pad: int = 0,
    advance: Callable[[int], None] = lambda rows: None,
) -> list[torch.Tensor]:
    """Return the log-probability of each answer token, in nats, one float32 tensor per example.

    `advance` hears how many examples a forward pass has finished.
    """
    model.eval()  # type: ignore[no-untyped-call]
    collate = Collator(pad)
    result = [torch.empty(0)] * len(examples)
    for rows in passes(examples):
        batch = collate([[examples[row] for row in rows]])
        ids, mask = (batch[name].to(model.device) for name in ("input_ids", "attention_mask"))
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        for row, each, tokens in zip(rows, logits, ids, strict=True):
            first, end = max(len(examples[row].prompt), 1), len(examples[row])
            scores = torch.log_softmax(each[first - 1 : end - 1].float(), dim=-1)
            result[row] = scores.gather(1, tokens[first:end, None])[:, 0].cpu()
        advance(len(rows))
    return result


def passes(examples: Sequence[Example]) -> Iterator[list[int]]:
    """Yield the rows of each forward pass: of similar length, TOKENS with padding or one row."""
    rows: list[int] = []
    for row in sorted(range(len(examples)), key=lambda row: len(examples[row])):
        if rows and (len(rows) + 1) * len(examples[row]) > TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
