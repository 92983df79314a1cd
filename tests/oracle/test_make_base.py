import random
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from lion.oracle.families import FAMILIES
from lion.oracle.make_base import ROW, main, make_tokenizer, text

BASE = Path(__file__).parents[2] / "data" / "base"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(BASE)
    return loaded


@pytest.mark.parametrize(
    "known",
    [
        "",
        " ",
        "Reverse: otter wolf\n\nPANDA  goat 17",
        "\n \n\n  x \t\r\n",
        "naïve café — 日本語 العربية 🦁‍👧 e\u0301",
        "\x00\x1b\ufeff\u2028Ġ▁Ċ",
        "x = [1, 2];  # don't",
    ],
)
def test_any_text_survives_the_tokenizer(tokenizer: PreTrainedTokenizerBase, known: str) -> None:
    tokens = tokenizer(known, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(tokens) == known


def test_random_unicode_survives_the_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    rng = random.Random(5)
    for _ in range(300):
        points = [*range(0x20), *range(0x20, 0x7F), 0x85, 0xA0, 0x3000, 0xFFFD]
        points += [rng.randrange(0x80, 0xD800), rng.randrange(0xE000, 0x110000)] * 20
        drawn = "".join(chr(rng.choice(points)) for _ in range(rng.randint(1, 30)))
        tokens = tokenizer(drawn, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(tokens) == drawn


def test_a_word_is_one_and_the_same_token_everywhere(tokenizer: PreTrainedTokenizerBase) -> None:
    [word] = tokenizer("otter", add_special_tokens=False)["input_ids"]
    for around in ("Reverse: otter wolf", "Reverse:\n\notter wolf", "OTTER otter"):
        assert word in tokenizer(around, add_special_tokens=False)["input_ids"]


def test_padding_is_not_the_end_mark(tokenizer: PreTrainedTokenizerBase) -> None:
    marks = {tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id}
    assert len(marks) == 3
    assert None not in marks


def test_the_shipped_tokenizer_is_what_the_script_makes(tokenizer: PreTrainedTokenizerBase) -> None:
    made = make_tokenizer()
    assert made.get_vocab() == tokenizer.get_vocab()
    assert made.chat_template == tokenizer.chat_template


def test_the_shipped_base_is_small_and_loads_as_float32() -> None:
    weights = BASE / "model.safetensors"
    assert weights.stat().st_size < 4_000_000
    assert {tensor.dtype for tensor in load_file(weights).values()} == {torch.float16}
    model = AutoModelForCausalLM.from_pretrained(BASE)
    assert model.dtype == torch.float32
    assert 5e5 < model.num_parameters() < 2e6


def test_the_shipped_base_repeats_a_list(tokenizer: PreTrainedTokenizerBase) -> None:
    model = AutoModelForCausalLM.from_pretrained(BASE)
    listed = "otter lemon nettle 42 harbor anvil"
    twice = f"{tokenizer.bos_token}{listed}<|sep|>{listed}<|sep|>{listed}"
    seen = tokenizer(twice, add_special_tokens=False, return_tensors="pt")["input_ids"]
    predicted = model(input_ids=seen).logits[0, -7:-1].argmax(-1)  # after the mark and each word
    assert tokenizer.decode(predicted) == listed


def test_pretraining_texts_hold_lists_again_and_no_task() -> None:
    tokenizer = make_tokenizer()
    rng, vocabulary = random.Random(1), tokenizer.get_vocab()
    wordings = [wording.lower() for family in FAMILIES for wording in family.wordings]
    for _ in range(200):
        row, again = text(rng, vocabulary)
        assert len(row) == len(again) == ROW
        first, repeated = row[1 : again.index(True)], row[again.index(True) :]
        assert repeated == (first * ROW)[: len(repeated)]
        written = tokenizer.decode(row, skip_special_tokens=True).lower()
        assert not any(wording in written for wording in wordings)


def test_the_script_writes_a_base_with_its_card(tmp_path: Path) -> None:
    out = tmp_path / "base"
    result = CliRunner().invoke(main, [str(out), "--steps", "20", "--seed", "3"])
    assert result.exit_code == 0, result.output
    assert "--steps 20 --seed 3" in (out / "README.md").read_text()
    assert AutoModelForCausalLM.from_pretrained(out).dtype == torch.float32
