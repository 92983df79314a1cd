"""Monitoring of a training run: progress, speed, and complete checkpoints."""

import logging
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, TrainerCallback

from lion.student.launch import is_main, world_size
from lion.support.errors import InputError
from lion.support.progress import Progress

WHOLE = "whole"  # marks a checkpoint that all processes have finished writing


class TrainingMonitor(TrainerCallback):
    """Show progress, time every step, mark complete checkpoints, and stop a diverged training."""

    def __init__(self, label: str, tokens: Sequence[int]) -> None:
        self._label = label
        self._tokens = tokens  # of each step, without padding
        self._bar: Progress | None = None
        self.seconds: dict[int, float] = {}  # of each step done in this process

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.perf_counter()
        if is_main():
            done = state.global_step
            self._bar = Progress(state.max_steps, self._label, unit="steps", done=done)
            self._bar.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.perf_counter()
        self.seconds[state.global_step] = now - self._began
        self._began = now

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        logs: dict[str, float] = kwargs["logs"]
        if not all(isfinite(logs.get(name) or 0.0) for name in ("loss", "grad_norm")):
            raise InputError(
                f"{self._label}: the loss or its gradient is not a finite number at step "
                f"{state.global_step}; lower imitate.learning_rate, or check the base's weights"
            )
        if "loss" in logs and self._bar:
            tokens = sum(self._tokens[step - 1] for step in self.seconds)
            speed = tokens / sum(self.seconds.values())
            self._bar.note(f"loss {logs['loss']:.3f}, {speed:,.0f} tokens/s")
            self._bar.advance()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if world_size() > 1:
            torch.distributed.barrier()
        if is_main():
            Path(args.output_dir, f"checkpoint-{state.global_step}", WHOLE).touch()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._bar:
            self._bar.__exit__(None, None, None)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint in `folder`; remove incomplete ones of a killed run."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        if (path / WHOLE).exists():
            whole.append(path)
        else:
            shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


@contextmanager
def without_missing_keys_warning(model: PreTrainedModel) -> Iterator[None]:
    """Silence the Trainer's warning that a checkpoint lacks weights that are tied to others."""
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())

    def is_of_use(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        is_known = message.startswith("There were missing keys in the checkpoint model loaded")
        return not (is_known and tied and set(re.findall(r"'([^']+)'", message)) <= tied)

    logger = logging.getLogger("transformers.trainer")
    logger.addFilter(is_of_use)
    try:
        yield
    finally:
        logger.removeFilter(is_of_use)
