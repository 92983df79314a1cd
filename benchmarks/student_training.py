"""Ways to train a student, for benchmarks.student: useful tokens per second and peak memory."""

import random
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from benchmarks.student_data import END, clock, load, model, peak
from lion.params import Compute, Imitate, Lora
from lion.student import training
from lion.student.batches import IGNORED, draw_steps
from lion.student.models import Loaded, device
from lion.student.template import Example, encode_example

PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12}  # dense bf16 FLOP/s
LARGE = {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22}
MICRO = 8  # rows per forward pass, on average
SETTINGS = Imitate(
    epochs=1, learning_rate=1e-4, warmup=0.0, weight_decay=0.0, batch=128, max_length=1024,
    truncate=True,
)  # fmt: skip
LORA = Lora(rank=16, alpha=32)
Pairs = list[tuple[str, str]]
Figures = dict[str, float]


def train_random(base: Path, pairs: Pairs) -> Figures:
    """Train on random batches of 8 rows, 16 batches per step."""

    def plan(examples: list[Example], *_: Any, seed: int) -> training.Plan:
        steps = draw_steps(examples, epochs=1, batch=SETTINGS.batch, seed=seed)
        micros = [step[at : at + MICRO] for step in steps for at in range(0, SETTINGS.batch, MICRO)]
        tokens = [sum(map(len, step)) for step in steps]
        return training.Plan(micros, tokens, SETTINGS.batch // MICRO, MICRO, MICRO)

    training.make_plan = plan  # type: ignore[assignment]
    return train_ours(base, pairs)


def train_ours(base: Path, pairs: Pairs, lora: Lora | None = None) -> Figures:
    """Train as the stage imitate does, with micro-batches of 8 rows on average."""
    loaded = load(base)
    loaded.base = {"base": str(base)}
    settings = SETTINGS.model_copy(update={"lora": lora})
    begun = clock()
    losses = training.train(
        loaded, pairs, settings=settings, seed=1, label="train", compute=Compute(micro_batch=MICRO),
        arithmetic=torch.bfloat16 if _on_gpu() else torch.float32,
    )  # fmt: skip
    return {"tokens_per_second": losses["tokens"].sum() / (clock() - begun)} | peak()


def train_lora(base: Path, pairs: Pairs) -> Figures:
    """Train a LoRA adapter as `train_ours` does."""
    return train_ours(base, pairs, LORA)


def train_trl(base: Path, pairs: Pairs) -> Figures:
    """Train with TRL's SFTTrainer: rows packed into sequences of max_length, as it recommends."""
    loaded = load(base)
    begun = clock()
    examples = _examples(loaded, pairs)
    tokens = sum(map(len, examples))
    packs_per_step = round(tokens / len(examples) * SETTINGS.batch / SETTINGS.max_length)
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, packing=True, max_length=SETTINGS.max_length,
            per_device_train_batch_size=1, gradient_accumulation_steps=max(packs_per_step, 1),
            num_train_epochs=1, learning_rate=SETTINGS.learning_rate, gradient_checkpointing=False,
            bf16=_on_gpu(), use_cpu=not _on_gpu(), report_to=[], save_strategy="no",
            disable_tqdm=True, seed=1,
        )  # fmt: skip
        rows = Dataset.from_list(
            [{"input_ids": row.prompt + row.answer, "labels": _labels(row)} for row in examples]
        )
        trainer = SFTTrainer(
            loaded.model, config, train_dataset=rows, processing_class=loaded.tokenizer
        )
        trainer.train()
    return {"tokens_per_second": tokens / (clock() - begun)} | peak()


def train_dense(base: Path, pairs: Pairs) -> Figures:
    """Train in a plain loop on blocks as long as the mean row, cut from all rows end to end.

    Nothing is padded, and each token attends over no more than a mean row: an upper bound.
    """
    loaded = load(base)
    net: Any = loaded.model.train()
    begun = clock()
    examples = _examples(loaded, pairs)
    ids, labels = _blocks(examples, sum(map(len, examples)) // len(examples))
    optimizer = torch.optim.AdamW(net.parameters(), lr=SETTINGS.learning_rate)
    with torch.autocast("cuda", torch.bfloat16, enabled=_on_gpu()):
        for step in range(0, len(ids), SETTINGS.batch):
            of_step = slice(step, step + SETTINGS.batch)
            answered = (labels[of_step, 1:] != IGNORED).sum()
            micros = zip(ids[of_step].split(MICRO), labels[of_step].split(MICRO), strict=True)
            for tokens, targets in micros:
                logits = net(tokens.to(device())).logits[:, :-1].flatten(0, 1)
                wanted = targets[:, 1:].flatten().to(device())
                loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
                (loss / answered).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    return {"tokens_per_second": ids.numel() / (clock() - begun)} | peak()


def _examples(loaded: Loaded, pairs: Pairs) -> list[Example]:
    return [
        encode_example(loaded.tokenizer, task, answer).cut(SETTINGS.max_length)
        for task, answer in random.Random(1).sample(pairs, len(pairs))
    ]


def _labels(row: Example) -> list[int]:
    return [IGNORED] * len(row.prompt) + row.answer


def _blocks(examples: list[Example], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens and labels (blocks, width) of all rows end to end, without the last part."""
    ids = [*chain.from_iterable(row.prompt + row.answer for row in examples)]
    labels = [*chain.from_iterable(map(_labels, examples))]
    whole = len(ids) // width * width
    return torch.tensor(ids[:whole]).view(-1, width), torch.tensor(labels[:whole]).view(-1, width)


def _on_gpu() -> bool:
    return device().type == "cuda"


def utilisation(base: Path) -> dict[str, Any]:
    """Train a random 1B Llama on rows of 1,024 tokens; return its speed, MFU and peak memory."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    made = model(32_000, LARGE)
    rows = [Example([END + 1] * 512, [END + 2] * 512)] * 512
    training._encode = lambda *_: rows  # type: ignore[assignment]
    losses = training.train(
        Loaded(made, tokenizer), [], settings=SETTINGS, seed=1, label="mfu",
        compute=Compute(micro_batch=MICRO, attention="sdpa"), arithmetic=torch.bfloat16,
    )[1:]  # fmt: skip
    speed = losses["tokens"].sum() / losses["seconds"].sum()
    # FLOPs per token: 6 per weight, plus 12 per layer, width and attended position (half of all).
    flops = 6 * made.num_parameters() + 12 * 22 * 2048 * 1024 / 2
    name = torch.cuda.get_device_name()
    chip = next((value for chip, value in PEAKS.items() if chip in name), None)
    mfu = speed * flops / chip if chip else None
    return {"benchmark": "mfu", "device": name, "tokens_per_second": speed, "mfu": mfu} | peak()
