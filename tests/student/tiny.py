"""A student small enough to be made and trained in a test."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from lion.params import Compute, Student
from lion.student.answering import answer_pool
from lion.student.models import Loaded
from lion.student.resumable import Resumable

WORDS = ["say", "red", "blue", "green", "one", "two", "three", "what", "comes", "next", "#", "Task"]


TASKS = ["say red", "say blue", "say green", "what comes next one two"]
ANSWERS = ["red", "blue", "green", "three"]
LESSONS = list(zip(TASKS, ANSWERS, strict=True))


def answered(
    loaded: Loaded,
    tasks: list[str],
    *,
    temperature: float = 0.0,
    max_tokens: int = 12,
    batch: int = 64,
    seed: int = 3,
    resumable: Resumable | None = None,
) -> pl.DataFrame:
    """Return the student's answers to distinct `tasks`."""
    return answer_pool(
        loaded,
        pl.DataFrame({"id": tasks, "instruction": tasks, "input": [""] * len(tasks)}),
        settings=Student(base="", revision=None, temperature=temperature, max_tokens=max_tokens),
        compute=Compute(answer_batch=batch),
        seed=seed,
        label="respond",
        resumable=resumable,
    )


def make_tokenizer(*, chat: bool = True, more: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """Return a word tokenizer for WORDS and `more`, with its own pad, end and unknown tokens."""
    words = dict.fromkeys([*WORDS, *more])
    vocabulary = ["<pad>", "<eos>", "<unk>", "<user>", "<bot>", *words]
    ids = {word: id for id, word in enumerate(vocabulary)}
    backend = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<bot>"],
    )
    if chat:
        made.chat_template = "<user> {{ messages[0]['content'] }} <bot>"
    return made


def make_tiny_base(
    folder: Path, *, chat: bool = True, seed: int = 0, more: Iterable[str] = ()
) -> Path:
    """Write the model to `folder`: 2 layers, 32 wide, with `more` words."""
    return write_tiny(folder, make_tokenizer(chat=chat, more=more), seed=seed)


def write_tiny(
    folder: Path, tokenizer: PreTrainedTokenizerBase, *, width: int = 32, seed: int = 0, **more: Any
) -> Path:
    """Write a Llama of 2 layers with this tokenizer to `folder`; `more` is for its config."""
    torch.manual_seed(seed)
    config: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
    LlamaForCausalLM(LlamaConfig(**(config | more))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
