"""Benchmark answering and training of the student against other ways to do both.

Texts are Alpaca's if ../shared/data holds them, otherwise random words with the same distribution
of lengths. The model is a Llama with about 8M random weights (1B on a GPU). The probability of its
end token makes answers 60 tokens long on average, as in Alpaca.
1. Answering: transformers' `generate` with one prompt at a time (as the original implementation)
   and with unsorted batches; its continuous batching; Lion with the same batch size, also in two
   processes with half of the threads each. Tokens per second; the first two answer a subset of the
   prompts. `--llama` adds the server of llama.cpp (`pip install gguf xllamacpp`).
2. Training: random batches of 8, padded to the longest row; TRL's SFTTrainer with packing; a plain
   loop without any padding; Lion; Lion with LoRA. Tokens per second without padding, and the peak
   memory of a separate process.
Variants run in turn, `--turns` times; figures are medians. Seconds are wall-clock seconds on all
cores, so run nothing else at the same time.
Prints one JSON line per figure; on a GPU also the model FLOP utilisation (MFU) of training.
"""

import json
import multiprocessing
import os
import random
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks import student_answering as answering
from benchmarks import student_training as training
from benchmarks.student_data import make_base, texts
from benchmarks.student_llama import llama

ALPACA = Path(__file__).parents[2] / "shared" / "data" / "alpaca" / "alpaca_9k.json"


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=ALPACA, help="Alpaca's JSON list.")
@click.option("--only", type=click.Choice(["answering", "training"]), help="Run only this one.")
@click.option("--turns", default=2, show_default=True, help="Measurements per variant.")
@click.option("--batch", default=256, show_default=True, help="Answers per batch.")
@click.option("--prompts", default=1024, show_default=True, help="Prompts that ours answers.")
@click.option("--rows", default=256, show_default=True, help="Rows that each variant trains on.")
@click.option("--llama", "with_llama", is_flag=True, help="Also measure llama.cpp.")
def main(
    data: Path, only: str | None, turns: int, batch: int, prompts: int, rows: int, with_llama: bool
) -> None:
    """Measure answering and training."""
    pairs = random.Random(1).sample(list(texts(data)), max(prompts, rows))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        make_base([f"{task} {answer}" for task, answer in pairs], base)
        if only != "training":
            tasks = [task for task, _ in pairs[:prompts]]
            ways: dict[str, Callable[..., Any]] = {
                "one_by_one": answering.one_by_one,
                "unsorted": answering.unsorted,
                "continuous": answering.continuous,
                "two_processes": answering.two_processes,
                "ours": answering.ours,
            } | ({"llama": llama} if with_llama else {})
            _emit("answering", _in_turn(ways, turns, base, tasks, batch), prompts, batch)
        if only != "answering":
            ways = {
                "random_8": training.train_random,
                "trl": training.train_trl,
                "dense": training.train_dense,
                "ours": training.train_ours,
                "lora": training.train_lora,
            }
            results = _in_turn(ways, turns, base, pairs[:rows])
            _emit("training", results, rows, training.SETTINGS.batch)
        if torch.cuda.is_available():
            click.echo(json.dumps(_apart(training.utilisation, base)))


def _in_turn(
    ways: dict[str, Callable[..., Any]], turns: int, *arguments: Any
) -> dict[str, list[dict[str, float]]]:
    results: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, way in ways.items():
            results[name].append(_apart(way, *arguments))
    return results


def _apart(way: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of `way`, run in its own process to measure its memory."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(way, *arguments).result()


def _emit(what: str, results: dict[str, list[dict[str, float]]], rows: int, batch: int) -> None:
    figures: dict[str, Any] = {"benchmark": f"student {what}", "rows": rows, "batch": batch}
    for name, turns in results.items():
        for key in turns[0]:
            figures[f"{name}_{key}"] = round(statistics.median(turn[key] for turn in turns), 1)
        if name != "ours":
            ratios = [
                mine["tokens_per_second"] / theirs["tokens_per_second"]
                for mine, theirs in zip(results["ours"], turns, strict=True)
            ]
            figures[f"ours_to_{name}"] = round(statistics.median(ratios), 2)
    click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
