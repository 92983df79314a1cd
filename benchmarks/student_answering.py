"""Ways to answer many prompts, for benchmarks.student: each returns its tokens per second."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, set_seed

from benchmarks.student_data import END, LIMIT, PAD, clock, load_talker
from lion.params import Compute, Student
from lion.student.answering import answer_pool
from lion.student.models import device
from lion.student.template import encode_prompt

TALKING = Student(base="", revision=None, temperature=1.0, max_tokens=LIMIT)
PAGE = 32  # tokens per page of the continuous cache
Figures = dict[str, float]


def one_by_one(base: Path, tasks: list[str], batch: int) -> Figures:
    """Answer about eight of the prompts as the original does: one call of `generate` per prompt."""
    return _by_generate(base, tasks[:: len(tasks) // 8], 1)


def unsorted(base: Path, tasks: list[str], batch: int) -> Figures:
    """Answer two unsorted batches of prompts; each takes as long as its longest answer."""
    return _by_generate(base, tasks[: 2 * batch], batch)


def _by_generate(base: Path, tasks: list[str], batch: int) -> Figures:
    loaded = load_talker(base)
    generate: Any = loaded.model.generate
    loaded.tokenizer.padding_side = "left"
    set_seed(1)
    begun, tokens = clock(), 0
    with torch.inference_mode():
        for start in range(0, len(tasks), batch):
            prompts = [encode_prompt(loaded.tokenizer, task) for task in tasks[start:][:batch]]
            given = loaded.tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(device())
            out = generate(
                **given, do_sample=True, temperature=1.0, top_k=0, max_new_tokens=LIMIT,
                pad_token_id=PAD,
            )  # fmt: skip
            tokens += int((out[:, given["input_ids"].shape[1] :] != PAD).sum())
    return {"tokens_per_second": tokens / (clock() - begun)}


def continuous(base: Path, tasks: list[str], batch: int) -> Figures:
    """Answer with the continuous batching of transformers, at most `batch` prompts at a time."""
    loaded = load_talker(base)
    model: Any = loaded.model
    set_seed(1)
    sampling = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=True, temperature=1.0, top_k=0, max_new_tokens=LIMIT, eos_token_id=END,
        pad_token_id=PAD,
    )  # fmt: skip
    begun = clock()
    prompts = [encode_prompt(loaded.tokenizer, task) for task in tasks]
    longest = max(map(len, prompts)) + LIMIT
    paging = ContinuousBatchingConfig(
        max_requests_per_batch=batch,
        page_size=PAGE,
        num_blocks=batch * -(-longest // PAGE),
        max_batch_tokens=4 * batch,
    )
    outputs = model.generate_batch(prompts, sampling, paging)
    seconds = clock() - begun
    if len(outputs) != len(prompts) or any(output.error for output in outputs.values()):
        raise RuntimeError("continuous batching did not answer every prompt")
    tokens = sum(len(output.generated_tokens) for output in outputs.values())
    return {"tokens_per_second": tokens / seconds}


def ours(base: Path, tasks: list[str], batch: int) -> Figures:
    """Answer the prompts as the stage respond does."""
    begun, ended, tokens = _by_lion(base, tasks, batch)
    return {"tokens_per_second": tokens / (ended - begun)}


def two_processes(base: Path, tasks: list[str], batch: int) -> Figures:
    """Answer half of the prompts in each of two processes, with half of the threads each."""
    threads = max(torch.get_num_threads() // 2, 1)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, torch.set_num_threads, (threads,)) as pool:
        halves = [pool.submit(_by_lion, base, tasks[n::2], batch // 2) for n in range(2)]
        begun, ended, tokens = zip(*(half.result() for half in halves), strict=True)
    return {"tokens_per_second": sum(tokens) / (max(ended) - min(begun))}


def _by_lion(base: Path, tasks: list[str], batch: int) -> tuple[float, float, int]:
    """Return when answering began and ended, without loading the model, and the tokens."""
    loaded = load_talker(base)
    begun = clock()
    ids = [str(number) for number in range(len(tasks))]
    answers = answer_pool(
        loaded,
        pl.DataFrame({"id": ids, "instruction": tasks, "input": [""] * len(tasks)}),
        settings=TALKING,
        compute=Compute(answer_batch=batch),
        seed=1,
        label="answers",
    )
    return begun, clock(), int(answers["completion_tokens"].sum())
