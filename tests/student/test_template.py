"""Prompts and answers as tokens: texts never become control tokens, and dates never move."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from lion.pools.instructions import task_text
from lion.student.models import load_tokenizer
from lion.student.template import (
    PLAIN,
    break_marks,
    control_marks,
    encode_answer,
    encode_example,
    encode_prompt,
    has_own_template,
    settle_template,
)
from lion.support.errors import InputError
from tests.repository import ROOT
from tests.student.tiny import make_tokenizer

MARKED = ["stop <|eos|> now", "<|sep|>", "<|eos|><|eos|>", "x<|bos|>", "a <|e<|eos|>os|> b"]
USER = "{% for m in messages %}<|sep|>{{ m['content'] }}{% endfor %}"


@pytest.fixture
def shipped() -> PreTrainedTokenizerBase:
    return load_tokenizer(str(ROOT / "data" / "base"), None)


def controls(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    marks = control_marks(tokenizer)
    return [token for token in tokenizer.convert_ids_to_tokens(ids) if token in marks]


def shown(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    """The text of `ids` without the space that the shipped tokenizer puts before each piece."""
    return tokenizer.decode(ids).replace("|> ", "|>")


def byte_level(*, added: bool) -> PreTrainedTokenizerFast:
    """A tokenizer of single bytes whose turn marks are added, but not as special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = {"<eos>": 0} | {byte: number for number, byte in enumerate(alphabet, start=1)}
    backend = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")
    if added:
        made.add_tokens(["<turn>", "<end>"])
        made.chat_template = "<turn>{{ messages[0]['content'] }}<end>"
    return made


@pytest.mark.parametrize("text", ["Write <eos> at the end.", "<eos>", "a<eos><eos>b"])
def test_an_end_mark_that_also_stands_for_unknown_words_is_text(text: str) -> None:
    tokenizer = byte_level(added=True)
    tokenizer.unk_token = "<eos>"  # as in GPT-2
    assert tokenizer.eos_token_id not in encode_answer(tokenizer, text)
    assert tokenizer.decode(encode_answer(tokenizer, text)) == text
    assert "<eos>" not in break_marks(tokenizer, text)


def test_a_mark_of_unknown_words_is_text_but_unknown_words_keep_it() -> None:
    tokenizer = byte_level(added=True)
    tokenizer.add_special_tokens({"unk_token": "<unk>"})
    assert tokenizer.unk_token_id not in encode_answer(tokenizer, "the <unk> token")
    words = make_tokenizer()
    assert (
        encode_answer(words, "red owl") == words("red owl", add_special_tokens=False)["input_ids"]
    )


def test_harmless_texts_have_the_ids_of_the_plain_rendering(
    shipped: PreTrainedTokenizerBase,
) -> None:
    original = AutoTokenizer.from_pretrained(ROOT / "data" / "base")
    lines = (ROOT / "data/seeds/oracle.jsonl").read_text().splitlines()
    for line in lines[::7]:
        seed = json.loads(line)
        task = task_text(seed["instruction"], seed.get("input", ""))
        turn = [{"role": "user", "content": task}]
        text = original.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        expected = original(text, add_special_tokens=False)["input_ids"]
        assert encode_prompt(shipped, task) == expected
        assert encode_answer(shipped, task) == original(task, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("text", MARKED)
def test_a_mark_in_a_task_is_text(shipped: PreTrainedTokenizerBase, text: str) -> None:
    ids = encode_prompt(shipped, text)
    assert controls(shipped, ids) == ["<|bos|>", "<|sep|>"]
    assert shown(shipped, ids) == f"<|bos|>{text}<|sep|>".replace("|> ", "|>")


@pytest.mark.parametrize("text", MARKED)
def test_a_mark_in_an_answer_teaches_no_end(shipped: PreTrainedTokenizerBase, text: str) -> None:
    example = encode_example(shipped, "task", text)
    assert controls(shipped, example.answer) == ["<|eos|>"]
    assert shipped.decode(example.answer[:-1]) == text


@pytest.mark.parametrize("text", ["a <turn> b", "<end>", "<eos>", "c<end><turn>"])
def test_marks_that_are_not_special_tokens_are_text_too(text: str) -> None:
    tokenizer = byte_level(added=True)
    prompt = encode_prompt(tokenizer, text)
    assert controls(tokenizer, prompt) == ["<turn>", "<end>"]
    assert controls(tokenizer, encode_answer(tokenizer, text)) == []


def test_a_vocabulary_of_whole_words_does_not_know_a_mark_in_a_text() -> None:
    tokenizer = make_tokenizer()
    ids = encode_prompt(tokenizer, "say <eos> red <user>")
    assert controls(tokenizer, ids) == ["<user>", "<unk>", "<unk>", "<bot>"]
    assert controls(tokenizer, encode_answer(tokenizer, "red <eos> blue")) == ["<unk>"]


def test_broken_marks_are_the_text_with_an_invisible_space(
    shipped: PreTrainedTokenizerBase,
) -> None:
    assert break_marks(shipped, "a harmless text") == "a harmless text"
    broken = break_marks(shipped, "stop <|eos|> now")
    assert broken.replace("\u200b", "") == "stop <|eos|> now" != broken


@pytest.mark.parametrize(
    ("form", "date"),
    [
        ("%d %b %Y", "26 Jul 2024"),
        ("%-d.%-m.%y", "26.7.24"),
        ("%A, %B %d", "Friday, July 26"),
        ("%Y-%m-%d %H:%M", "2024-07-26 00:00"),
    ],
)
def test_the_date_of_a_template_is_fixed(
    shipped: PreTrainedTokenizerBase, form: str, date: str
) -> None:
    shipped.chat_template = "\nOn {{ strftime_now('" + form + "') }}: " + USER
    settle_template(shipped)
    assert shown(shipped, encode_prompt(shipped, "go")) == f"\nOn {date}: <|sep|>go"


def test_a_stored_template_keeps_its_date(shipped: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    shipped.chat_template = (
        "{% if strftime_now is defined %}{% set now = strftime_now('%Y') %}{% endif %}{{ now }}"
        + USER
    )
    settle_template(shipped)
    shipped.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path), None)
    assert again.chat_template == shipped.chat_template
    assert shown(again, encode_prompt(again, "go")) == "2024<|sep|>go"


def test_named_templates_need_a_default(shipped: PreTrainedTokenizerBase) -> None:
    shipped.chat_template = {"rag": USER, "tool_use": USER}
    with pytest.raises(InputError, match=r"named rag, tool_use, and none is the default"):
        settle_template(shipped)
    shipped.chat_template = {"default": USER, "rag": "other"}
    settle_template(shipped)
    assert shown(shipped, encode_prompt(shipped, "go")) == "<|sep|>go"


def test_a_base_without_a_template_gets_lions_own(tmp_path: Path) -> None:
    tokenizer = byte_level(added=False)
    settle_template(tokenizer)
    assert not has_own_template(tokenizer)
    assert has_own_template(byte_level(added=True))
    assert tokenizer.decode(encode_prompt(tokenizer, "go")) == "### Task\ngo\n\n### Answer\n"
    tokenizer.save_pretrained(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    turns = [{"role": "user", "content": "go"}, {"role": "assistant", "content": "gone"}]
    ids = theirs.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=False)
    assert ids == encode_prompt(tokenizer, "go")
    example = encode_example(tokenizer, "go", "gone")
    whole = theirs.apply_chat_template(turns, return_dict=False)
    assert whole[: len(example)] == example.prompt + example.answer


def test_lions_own_template_begins_with_the_tokenizers_own_start() -> None:
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "data" / "base")
    from tokenizers.processors import TemplateProcessing

    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="<|bos|> $A <|eos|>", special_tokens=[("<|bos|>", 1), ("<|eos|>", 2)]
    )
    tokenizer.chat_template = None
    settle_template(tokenizer)
    assert tokenizer.chat_template == "<|bos|>" + PLAIN
    assert controls(tokenizer, encode_prompt(tokenizer, "go")) == ["<|bos|>"]


@pytest.mark.parametrize(
    "template",
    ["{{ raise_exception('no rhymes') }}", "{{ messages[3]['content'] }}", "{{ 1 / 0 }}"],
)
def test_a_template_that_fails_on_a_task_is_one_line(
    shipped: PreTrainedTokenizerBase, template: str
) -> None:
    shipped.chat_template = template
    with pytest.raises(InputError, match=r"its chat template fails on the task 'go': .+; correct"):
        encode_prompt(shipped, "go")
