"""Facts that other programs need to serve a student: its prompt layout and its vocabulary."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from lion.student.models import load_tokenizer, source_of
from lion.student.template import RENDER_ERRORS, encode_prompt, rendered
from lion.support.errors import InputError

SENTENCEPIECE = "tokenizer.model"
_SPACE = "\u2581"  # how SentencePiece writes a space
_SYSTEM, _TASK, _ANSWER = "LION-SYSTEM", "LION-TASK", "LION-ANSWER"


@dataclass(frozen=True)
class Layout:
    """The texts around the parts of a conversation's prompt.

    `system` are the texts before and after a system prompt, None if the template rejects one.
    """

    before: str  # before the task, if there is no system prompt
    system: tuple[str, str] | None
    between: str  # between task and answer
    after: str  # after the answer


@dataclass(frozen=True)
class Vocabulary:
    """Facts that llama.cpp's converter cannot derive from an exported student."""

    sentencepiece: Path | None  # tokenizer.model of the base, if it has one
    needs_sentencepiece: bool  # without its scores, llama.cpp merges tokens in a different order
    adds_bos: bool  # the tokenizer puts BOS before a text, and Lion's prompts start with it
    adds_space: bool  # the first word of Lion's prompts has SentencePiece's mark of a space


def vocabulary_of(student: Path, exported: Path) -> Vocabulary:
    """Return the facts about the tokenizer of a student folder and its export."""
    tokenizer = load_tokenizer(str(exported), None)
    model = json.loads((exported / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    own = exported / SENTENCEPIECE
    words = tokenizer.convert_ids_to_tokens(
        encode_prompt(tokenizer, _TASK), skip_special_tokens=True
    )
    return Vocabulary(
        sentencepiece=own if own.exists() else _cached(*source_of(student), SENTENCEPIECE),
        needs_sentencepiece=model["type"] == "BPE" and bool(model.get("byte_fallback")),
        adds_bos=_adds_bos(tokenizer),
        adds_space=words[0].startswith(_SPACE),
    )


def _cached(source: str, revision: str | None, name: str) -> Path | None:
    """Return a file of a model folder or hub name; None if it has no such file."""
    try:
        path = cached_file(
            source,
            name,
            revision=revision,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError:
        return None
    return Path(path) if path else None


def layout_of(student: Path) -> Layout:
    """Return how the template of student folder `student` lays out a conversation.

    A BOS at its start is left out if servers add it; see `Vocabulary.adds_bos`.
    """
    tokenizer = load_tokenizer(*source_of(student))
    task = {"role": "user", "content": _TASK}
    answer = {"role": "assistant", "content": _ANSWER}
    before, between = _split(tokenizer, [task], [_TASK], prompt=True)
    *_, after = _split(tokenizer, [task, answer], [_TASK, _ANSWER])
    system = None
    with suppress(InputError):  # the template has no system role
        opening, closing, _ = _split(
            tokenizer, [{"role": "system", "content": _SYSTEM}, task], [_SYSTEM, _TASK]
        )
        system = (opening, closing)
    return Layout(before, system, between, after)


def _split(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[dict[str, str]],
    parts: list[str],
    *,
    prompt: bool = False,
) -> list[str]:
    """Return the texts before, between and after `parts` of a rendered conversation."""
    try:
        text = rendered(tokenizer, messages, prompt=prompt)
    except RENDER_ERRORS as error:
        raise InputError(f"{tokenizer.name_or_path}: its chat template fails: {error}") from None
    texts = []
    for part in parts:
        before, mark, text = text.partition(part)
        if not mark:
            raise InputError(f"{tokenizer.name_or_path}: its chat template leaves out a message")
        texts.append(before)
    start = str(tokenizer.bos_token) if _adds_bos(tokenizer) else ""
    return [texts[0].removeprefix(start), *texts[1:], text]


def _adds_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    starts = (tokenizer("a")["input_ids"][:1], encode_prompt(tokenizer, _TASK)[:1])
    return starts == ([tokenizer.bos_token_id], [tokenizer.bos_token_id])
