"""A student small enough to be made and trained within a test."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lion.params import Student

WORDS = ["say", "red", "blue", "green", "one", "two", "three", "what", "comes", "next", "#", "Task"]


TASKS = ["say red", "say blue", "say green", "what comes next one two"]
ANSWERS = ["red", "blue", "green", "three"]
LESSONS = list(zip(TASKS, ANSWERS, strict=True))


def talking(*, temperature: float, max_tokens: int) -> Student:
    """How a student answers, whichever it is."""
    return Student(base="", revision=None, temperature=temperature, max_tokens=max_tokens)


def make_tokenizer(*, chat: bool = True) -> PreTrainedTokenizerFast:
    """A word tokenizer with pad, end and unknown marks of their own."""
    vocabulary = ["<pad>", "<eos>", "<unk>", "<user>", "<bot>", *WORDS]
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<user>", "<bot>"],
    )
    if chat:
        made.chat_template = "<user> {{ messages[0]['content'] }} <bot>"
    return made


def make_tiny_base(folder: Path, *, chat: bool = True, seed: int = 0) -> Path:
    """Write the model to `folder`: 2 layers, 32 wide."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer(chat=chat)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=128,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
