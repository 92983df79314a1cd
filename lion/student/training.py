"""Imitation, second half: the student learns the teacher's answers (loss on their tokens alone)."""

import tempfile
from collections.abc import Sequence
from typing import Any

import polars as pl
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from lion.errors import EmptyError, InputError
from lion.params import Imitate
from lion.progress import Progress
from lion.student.layout import Example, encode_example, pad_id
from lion.student.models import Loaded
from lion.tables import LOSS, from_rows

IGNORED = -100  # a label that the loss leaves out


def train(
    loaded: Loaded,
    tasks: Sequence[str],
    answers: Sequence[str],
    *,
    settings: Imitate,
    seed: int,
    label: str,
) -> pl.DataFrame:
    """Train `loaded` in place; the loss table (LOSS), one row a step."""
    examples = _encode(loaded, tasks, answers, settings.max_length)
    set_seed(seed)
    watch = _Watch(label)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=loaded.model,
            args=_arguments(settings, seed, scratch),
            train_dataset=examples,  # type: ignore[arg-type]
            data_collator=_Collator(pad_id(loaded.tokenizer)),
            callbacks=[watch],
        )
        trainer.train()
    return from_rows(watch.rows, LOSS)


def _encode(
    loaded: Loaded, tasks: Sequence[str], answers: Sequence[str], limit: int
) -> list[Example]:
    pairs = zip(tasks, answers, strict=True)
    examples = [encode_example(loaded.tokenizer, task, answer) for task, answer in pairs]
    if not examples:
        raise EmptyError("imitate: the train pool holds no whole answer to learn from")
    longest = max(range(len(examples)), key=lambda row: len(examples[row]))
    over = sum(len(example) > limit for example in examples)
    if over:
        raise InputError(
            f"imitate: {over} of {len(examples)} rows are longer than imitate.max_length={limit} "
            f"tokens (the longest has {len(examples[longest])}: {tasks[longest][:60]!r}); raise it "
            "or drop these rows from the seeds"
        )
    return examples


def _arguments(settings: Imitate, seed: int, scratch: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=scratch,
        seed=seed,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,  # below 1 it is a share of all steps
        weight_decay=settings.weight_decay,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


class _Collator:
    """Rows of one step as tensors (B, T), padded on the right."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: list[Example]) -> dict[str, torch.Tensor]:
        width = max(len(row) for row in rows)
        ids, labels, mask = [], [], []
        for row in rows:
            gap = width - len(row)
            ids.append(row.prompt + row.answer + [self.pad] * gap)
            labels.append([IGNORED] * len(row.prompt) + row.answer + [IGNORED] * gap)
            mask.append([1] * len(row) + [0] * gap)
        return {
            "input_ids": torch.tensor(ids),
            "labels": torch.tensor(labels),
            "attention_mask": torch.tensor(mask),
        }


class _Watch(TrainerCallback):
    """Keeps the loss of every step and shows progress."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.rows: list[dict[str, Any]] = []
        self.bar: Progress | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.bar = Progress(state.max_steps, self.label, unit="steps")
        self.bar.__enter__()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        logs: dict[str, float] = kwargs["logs"]
        if "loss" not in logs:
            return
        self.rows.append(
            {"step": state.global_step}
            | {name: round(logs[name], 6) for name in ("loss", "grad_norm")}
            | {"learning_rate": round(logs["learning_rate"], 9)}
        )
        if self.bar:
            self.bar.note(f"loss {logs['loss']:.3f}")
            self.bar.advance()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.bar:
            self.bar.__exit__(None, None, None)
