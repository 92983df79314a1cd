"""Benchmark answering and training of the student against the original implementation.

Texts are Alpaca's if ../shared/data holds them, otherwise random words with the same distribution
of lengths. The model is a Llama with about 8M random weights (1B on a GPU). The probability of its
end token makes answers 60 tokens long on average, as in Alpaca.
1. Answering: transformers' `generate` with one prompt at a time and with unsorted batches; Lion
   with the same batch size. Tokens per second; the first two measure a subset of the prompts.
2. Training: random batches of 8, padded to the longest row; Lion; Lion with LoRA. Tokens per
   second without padding, and the peak memory of a separate process.
Variants run in turn, `--turns` times; figures are medians. Seconds are wall-clock seconds on all
cores, so run nothing else at the same time.
Prints one JSON line per figure; on a GPU also the model FLOP utilisation (MFU) of training.
"""

import json
import math
import multiprocessing
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    set_seed,
)

from lion.params import Compute, Imitate, Lora, Student
from lion.student import training
from lion.student.answering import answer_tasks
from lion.student.batches import draw_steps
from lion.student.models import Loaded, device
from lion.student.template import Example, encode_prompt

ALPACA = Path(__file__).parents[2] / "shared" / "data" / "alpaca" / "alpaca_9k.json"
ANSWER = 60  # mean tokens per answer
LIMIT = 256  # most tokens per answer
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12}  # dense bf16 FLOP/s
SMALL = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 8}
TALKING = Student(base="", revision=None, temperature=1.0, max_tokens=LIMIT)
LARGE = {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22}
SETTINGS = Imitate(
    epochs=1, learning_rate=1e-4, warmup=0.0, weight_decay=0.0, batch=128, max_length=1024,
    truncate=True,
)  # fmt: skip
LORA = Lora(rank=16, alpha=32)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=ALPACA, help="Alpaca's JSON list.")
@click.option("--only", type=click.Choice(["answering", "training"]), help="Run only this one.")
@click.option("--turns", default=2, show_default=True, help="Measurements per variant.")
@click.option("--batch", default=256, show_default=True, help="Answers per batch.")
@click.option("--prompts", default=1024, show_default=True, help="Prompts that ours answers.")
@click.option("--rows", default=256, show_default=True, help="Rows that each variant trains on.")
def main(data: Path, only: str | None, turns: int, batch: int, prompts: int, rows: int) -> None:
    """Measure answering and training."""
    pairs = random.Random(1).sample(list(texts(data)), max(prompts, rows))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base")
        make_base([f"{task} {answer}" for task, answer in pairs], base)
        if only != "training":
            tasks = [task for task, _ in pairs[:prompts]]
            ways = {"one_by_one": one_by_one, "unsorted": unsorted, "ours": ours}
            _emit("answering", _in_turn(ways, turns, base, tasks, batch), prompts, batch)
        if only != "answering":
            ways = {"random_8": train_random, "ours": train_ours, "lora": train_lora}
            _emit("training", _in_turn(ways, turns, base, pairs[:rows]), rows, SETTINGS.batch)
        if torch.cuda.is_available():
            click.echo(json.dumps(_apart(utilisation, base)))


def texts(data: Path) -> Iterator[tuple[str, str]]:
    """Yield tasks and answers: Alpaca's, or random words with the same distribution of lengths."""
    if data.exists():
        for row in json.loads(data.read_text(encoding="utf-8")):
            yield f"{row['instruction']} {row['input']}".strip(), row["output"]
        return
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(6000)]
    for _ in range(9000):
        lengths = (round(rng.lognormvariate(mean, 0.8)) for mean in (2.6, 3.5))
        task, answer = (" ".join(rng.choices(words, k=max(length, 1))) for length in lengths)
        yield task, answer


def make_base(lines: list[str], out: Path) -> None:
    """Write a Llama with random weights and a byte-level BPE tokenizer trained on `lines`."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel()
    bpe.decoder = decoders.ByteLevel()
    marks = ["<pad>", "<eos>"]
    bpe.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=8192, special_tokens=marks, show_progress=False)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<pad>", eos_token="<eos>")
    set_seed(1)
    tokenizer.save_pretrained(out)
    model(len(tokenizer), SMALL).save_pretrained(out)


def model(vocabulary: int, shape: dict[str, int]) -> LlamaForCausalLM:
    """Return a Llama of this `shape` with random weights."""
    count = shape["hidden_size"] // 64
    heads = {"num_attention_heads": count, "num_key_value_heads": count // 4}
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=vocabulary, bos_token_id=None, eos_token_id=1, **shape, **heads)
    )


def _load(base: Path) -> Loaded:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    made = LlamaForCausalLM.from_pretrained(base)
    made.generation_config = GenerationConfig(eos_token_id=[1])  # type: ignore[no-untyped-call]
    return Loaded(made.to(device()).eval(), tokenizer)  # type: ignore[arg-type]


def _load_talker(base: Path) -> Loaded:
    """Load the model with a bias on its end token, so that answers average ANSWER tokens."""
    loaded = _load(base)
    head: Any = loaded.model.lm_head
    bias = torch.zeros(head.out_features, device=head.weight.device)
    bias[1] = math.log(head.out_features / ANSWER)
    head.bias = torch.nn.Parameter(bias)
    return loaded


def clock() -> float:
    """Return the time in seconds after the GPU has finished its queue."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def one_by_one(base: Path, tasks: list[str], batch: int) -> dict[str, float]:
    """Answer about eight of the prompts as the original does: one call of `generate` per prompt."""
    return _by_generate(base, tasks[:: len(tasks) // 8], 1)


def unsorted(base: Path, tasks: list[str], batch: int) -> dict[str, float]:
    """Answer two unsorted batches of prompts; each takes as long as its longest answer."""
    return _by_generate(base, tasks[: 2 * batch], batch)


def _by_generate(base: Path, tasks: list[str], batch: int) -> dict[str, float]:
    loaded = _load_talker(base)
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
                pad_token_id=0,
            )  # fmt: skip
            tokens += int((out[:, given["input_ids"].shape[1] :] != 0).sum())
    return {"tokens_per_second": tokens / (clock() - begun)}


def ours(base: Path, tasks: list[str], batch: int) -> dict[str, float]:
    """Answer the prompts as the stage respond does."""
    loaded = _load_talker(base)
    begun = clock()
    answers = answer_tasks(
        loaded,
        tasks,
        settings=TALKING,
        compute=Compute(answer_batch=batch),
        seed=1,
        label="answers",
    )
    seconds = clock() - begun
    return {"tokens_per_second": sum(answer.completion_tokens for answer in answers) / seconds}


def train_random(base: Path, pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Train on random batches of 8 rows, 16 batches per step."""

    def plan(examples: list[Example], *_: Any, seed: int) -> training.Plan:
        steps = draw_steps(examples, epochs=1, batch=SETTINGS.batch, seed=seed)
        micros = [step[at : at + 8] for step in steps for at in range(0, SETTINGS.batch, 8)]
        return training.Plan(micros, [sum(map(len, step)) for step in steps], 16, 8, 8)

    training.make_plan = plan  # type: ignore[assignment]
    return train_ours(base, pairs)


def train_ours(
    base: Path, pairs: list[tuple[str, str]], lora: Lora | None = None
) -> dict[str, float]:
    """Train as the stage imitate does, with micro-batches of 8 rows on average."""
    loaded = _load(base)
    loaded.base = {"base": str(base)}
    settings = SETTINGS.model_copy(update={"lora": lora})
    on_gpu = device().type == "cuda"
    begun = clock()
    losses = training.train(
        loaded, pairs, settings=settings, seed=1, label="train",
        compute=Compute(micro_batch=8), arithmetic=torch.bfloat16 if on_gpu else torch.float32,
    )  # fmt: skip
    return {"tokens_per_second": losses["tokens"].sum() / (clock() - begun)} | _peak()


def train_lora(base: Path, pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Train a LoRA adapter as `train_ours` does."""
    return train_ours(base, pairs, LORA)


def utilisation(base: Path) -> dict[str, Any]:
    """Train a random 1B Llama on rows of 1,024 tokens; return its speed, MFU and peak memory."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    made = model(32_000, LARGE)
    rows = [Example([2] * 512, [3] * 512)] * 512
    training._encode = lambda *_: rows  # type: ignore[assignment]
    losses = training.train(
        Loaded(made, tokenizer), [], settings=SETTINGS, seed=1, label="mfu",
        compute=Compute(micro_batch=8, attention="sdpa"), arithmetic=torch.bfloat16,
    )[1:]  # fmt: skip
    speed = losses["tokens"].sum() / losses["seconds"].sum()
    # FLOPs per token: 6 per weight, plus 12 per layer, width and attended position (half of all).
    flops = 6 * made.num_parameters() + 12 * 22 * 2048 * 1024 / 2
    name = torch.cuda.get_device_name()
    peak = next((value for chip, value in PEAKS.items() if chip in name), None)
    mfu = speed * flops / peak if peak else None
    return {"benchmark": "mfu", "device": name, "tokens_per_second": speed, "mfu": mfu} | _peak()


def _peak() -> dict[str, float]:
    if torch.cuda.is_available():
        return {"peak_mb": torch.cuda.max_memory_allocated() / 2**20}
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


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
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(way, arguments)


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
