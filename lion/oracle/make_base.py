"""Make the offline student's base model: `python -m lion.oracle.make_base data/base`.

It is a small Llama that was pretrained only on repeated lists of words: it can copy, as any
pretrained model can, but knows none of the oracle's tasks.
"""

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch.nn import functional as F
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    get_cosine_schedule_with_warmup,
)

from lion.oracle.families import FAMILIES
from lion.oracle.words import THEMES
from lion.support.files import replacing_folder
from lion.support.progress import Progress

PAD, BOS, EOS, SEP = "<|pad|>", "<|bos|>", "<|eos|>", "<|sep|>"
TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message.content }}{% endfor %}" + SEP
ROW = 48  # tokens of a pretraining text
BATCH = 64  # texts per step
LISTED = (3, 12)  # words per list, least and most
RATE = 3e-3  # peak learning rate; warm-up over 5 % of the steps, then cosine to 0

CARD = """---
license: apache-2.0
library_name: transformers
---
# The offline student's base model

A Llama of {parameters:,} parameters in the place of the paper's LLaMA: pretrained, and
taught nothing. It plays the student in the default pipeline, so that the whole loop runs within
minutes and without a network. It is of no use for anything else.

- **Made by** `python -m lion.oracle.make_base data/base --steps {steps} --seed {seed}`:
  {minutes:.1f} minutes on {threads} CPU threads, torch {torch}. Other
  machines give other last digits.
- **Data**: none from anywhere. Texts of {row} tokens made on the fly, each one a random list of
  {words} known words, repeated until the text is full.
  No task, no instruction, no answer.
- **Loss** at the end: {loss:.3f} over everything, {repeated:.3f} on what is only repeated.
- **Tokenizer**: {vocabulary} tokens: whole words (those of the lists and of the tasks' wording),
  single bytes for all other text, and four marks; padding is not the end mark.
- **Weights**: safetensors in half precision, loaded as float32.
"""


@dataclass(frozen=True)
class Pretrained:
    """A pretrained model, its last loss on all tokens and on repeated ones, and the time taken."""

    model: LlamaForCausalLM
    loss: float
    repeated: float
    seconds: float


def as_token(word: str) -> str:
    """Return `word` with the space before it, in the byte-level alphabet."""
    cutter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    [(token, _)] = cutter.pre_tokenize_str(f" {word}")
    return token


def _words() -> list[str]:
    """Return as tokens all words of the themes, also in capitals, and the numbers below 100."""
    plain = [word for theme in THEMES.values() for word in theme]
    forms = [form for word in plain for form in (word, word.upper())]
    return [as_token(form) for form in dict.fromkeys([*forms, *map(str, range(100))])]


WORDS = _words()


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with a token for each known word, and bytes for all other text.

    A word's token includes the space before it. A space is added before the text and after line
    ends, and removed when decoding, so that a word is the same token everywhere.
    """
    wordings = " ".join(wording for family in FAMILIES for wording in family.wordings)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    spelled = [*WORDS, *map(as_token, wordings.split())]
    vocabulary = dict.fromkeys([PAD, BOS, EOS, SEP, *alphabet, *spelled])
    ids = {token: number for number, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[], ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(" "), normalizers.Replace("\n", "\n ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteLevel(), decoders.Replace("\n ", "\n"), decoders.Strip(" ", 1, 0)]
    )
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[SEP],
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )
    fast.chat_template = TEMPLATE
    return fast


def text(rng: random.Random, vocabulary: dict[str, int]) -> tuple[list[int], list[bool]]:
    """Return ROW tokens that repeat a random list, and which of them are repeated.

    With other words between the repeats (tried), the model copies only by content, not by position,
    and then learns the tasks less well, since they refer to positions.
    """
    words = rng.sample([vocabulary[word] for word in WORDS], rng.randint(*LISTED))
    listed = [*words, vocabulary[SEP]]
    row = [vocabulary[BOS], *(listed * ROW)][:ROW]
    return row, [place > len(listed) for place in range(ROW)]


def pretrain(tokenizer: PreTrainedTokenizerFast, *, steps: int, seed: int) -> Pretrained:
    """Pretrain a Llama of about a million parameters on `steps` batches."""
    torch.manual_seed(seed)
    rng, vocabulary = random.Random(seed), tokenizer.get_vocab()
    model = LlamaForCausalLM(_shape(tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    schedule = get_cosine_schedule_with_warmup(optimizer, steps // 20, steps)
    begun = time.monotonic()
    with Progress(steps, "pretrain", unit="steps") as bar:
        for _ in range(steps):
            rows, again = zip(*(text(rng, vocabulary) for _ in range(BATCH)), strict=True)
            batch = torch.tensor(rows)  # (B, T)
            logits = model(input_ids=batch).logits[:, :-1]  # (B, T - 1, V)
            losses = F.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")
            loss, repeated = losses.mean(), losses[torch.tensor(again)[:, 1:]].mean()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            bar.note(f"loss {loss.item():.3f}, repeated {repeated.item():.3f}")
            bar.advance()
    return Pretrained(model, loss.item(), repeated.item(), time.monotonic() - begun)


def _shape(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def save(pretrained: Pretrained, tokenizer: PreTrainedTokenizerFast, out: Path, card: str) -> None:
    """Write the model (half precision, safetensors), its tokenizer and its card to folder `out`."""
    with replacing_folder(out) as folder:
        pretrained.model.half().save_pretrained(folder)  # type: ignore[no-untyped-call]
        tokenizer.save_pretrained(folder)
        # The weights are stored in half precision, but training loads them in full.
        settings = folder / "config.json"
        config = json.loads(settings.read_text(encoding="utf-8"))
        text = json.dumps(config | {"dtype": "float32"}, indent=2, sort_keys=True)
        settings.write_text(text + "\n", encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--steps", default=1500, show_default=True, help="Batches to read.")
@click.option("--seed", default=1, show_default=True)
def main(out: Path, steps: int, seed: int) -> None:
    """Pretrain the base model and write it to folder OUT."""
    tokenizer = make_tokenizer()
    pretrained = pretrain(tokenizer, steps=steps, seed=seed)
    card = CARD.format(
        steps=steps,
        seed=seed,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        minutes=pretrained.seconds / 60,
        loss=pretrained.loss,
        repeated=pretrained.repeated,
        parameters=pretrained.model.num_parameters(),
        vocabulary=len(tokenizer),
        words=len(WORDS),
        row=ROW,
    )
    save(pretrained, tokenizer, out, card)
    click.echo(f"{out}: {pretrained.model.num_parameters():,} parameters", err=True)


if __name__ == "__main__":
    main()
