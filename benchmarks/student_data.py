"""Texts and models for benchmarks.student."""

import json
import math
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    set_seed,
)

from lion.student.models import Loaded, device

PAD, END = 0, 1  # token ids
ANSWER = 60  # mean tokens per answer
LIMIT = 256  # most tokens per answer
SMALL = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 8}


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
        LlamaConfig(vocab_size=vocabulary, bos_token_id=None, eos_token_id=END, **shape, **heads)
    )


def load(base: Path) -> Loaded:
    """Load the model of `make_base`."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    made = LlamaForCausalLM.from_pretrained(base)
    made.generation_config = GenerationConfig(eos_token_id=[END])  # type: ignore[no-untyped-call]
    return Loaded(made.to(device()).eval(), tokenizer)  # type: ignore[arg-type]


def load_talker(base: Path) -> Loaded:
    """Load the model with a bias on its end token, so that answers average ANSWER tokens."""
    loaded = load(base)
    head: Any = loaded.model.lm_head
    bias = torch.zeros(head.out_features, device=head.weight.device)
    bias[END] = math.log(head.out_features / ANSWER)
    head.bias = torch.nn.Parameter(bias)
    return loaded


def clock() -> float:
    """Return the time in seconds after the GPU has finished its queue."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak() -> dict[str, float]:
    """Return the peak memory of this process, or of its GPU, in MB."""
    if torch.cuda.is_available():
        return {"peak_mb": torch.cuda.max_memory_allocated() / 2**20}
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
