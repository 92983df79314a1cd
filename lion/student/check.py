"""Checks of a base model before the first paid request: its kind, template and tokens."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from httpx2 import HTTPError
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from lion.pools.instructions import Task, messages_of
from lion.prompts import Message
from lion.student.models import check_place, load_config, load_tokenizer, one_line, positions_of
from lion.student.sandbox import render_untrusted
from lion.student.template import RENDER_ERRORS, encode_prompt, for_template, pad_id, rendered
from lion.student.thoughts import form_to_learn, opened_by_prompt
from lion.support.errors import InputError

_TIMEOUT = 10.0  # seconds for the hub
# A text that a template must not trim, recase, escape, collapse or cut.
PROBE = "Compare  Äpfel & 'pears' <b>\n\tin {{ two }} 句子.\n\n" + "Be brief. " * 200 + "Done?"


def check_base(
    base: str,
    revision: str | None,
    *,
    thinks: bool = False,
    contexts: Iterable[tuple[str, ...]] = (),
    tasks: Iterable[tuple[str, Task]] = (),
    lengths: Mapping[str, int] | None = None,
) -> None:
    """Raise InputError if a base cannot be trained, or would be trained on wrong prompts.

    With `thinks`, it must be able to write thoughts; without, its template must not open them. The
    template must show each of `contexts`: the roles of the messages before an instruction, and
    each of `tasks`, with their places. The model must have positions for `lengths`, tokens by
    parameter.
    """
    check_place(base, revision)
    check_hub(base, revision)
    config = load_config(base, revision)
    _check_positions(config, base, lengths or {})
    tokenizer = load_tokenizer(base, revision)
    if thinks:
        form_to_learn(tokenizer)
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"student.base: {base}: its tokenizer has no end-of-text token, so the student could "
            "not learn to stop; set eos_token in tokenizer_config.json"
        )
    _check_template(tokenizer, base, contexts, tasks)
    _check_ids(tokenizer, config, base)
    if not thinks and (opening := opened_by_prompt(tokenizer)):
        raise InputError(
            f"student.base: {base}: its chat template opens thoughts ({opening}) in each prompt, "
            "so the student would write its answers as thoughts; set teacher.thoughts: learn, or "
            "choose another base"
        )


def _check_positions(config: PreTrainedConfig, base: str, lengths: Mapping[str, int]) -> None:
    positions = positions_of(config)
    for name, tokens in lengths.items():
        if positions and positions < tokens:
            raise InputError(
                f"{name}: {tokens:,} tokens, but {base} has {positions:,} positions; set a lower "
                "number, or choose another student.base"
            )


def _check_template(
    tokenizer: PreTrainedTokenizerBase,
    base: str,
    contexts: Iterable[tuple[str, ...]],
    tasks: Iterable[tuple[str, Task]],
) -> None:
    """Check that the template shows a probe, each kind of context and each task unchanged."""
    if PROBE not in (prompt := _prompt(tokenizer, PROBE, base)):
        raise InputError(
            f"student.base: {base}: its chat template does not show the task's text unchanged "
            f"(a test task became {prompt[:60]!r}); use a template that writes message['content'] "
            "as it is"
        )
    # A context with one earlier question represents those with more.
    for roles in sorted({context[: 2 + context.count("system")] for context in contexts}):
        _check_context(tokenizer, base, roles)
    for place, task in tasks:
        _check_task(tokenizer, base, place, task)


def check_hub(base: str, revision: str | None) -> None:
    """Raise InputError if the hub lacks the model; one request, since loading retries for long.

    A model in the hub's cache on this machine needs no request.
    """
    if Path(base).is_dir():
        return
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        if isinstance(try_to_load_from_cache(base, "config.json", revision=revision), str):
            return
        HfApi().model_info(base, revision=revision, timeout=_TIMEOUT)
    except GatedRepoError:
        problem = "needs an access token; accept its terms on the hub and set HF_TOKEN"
    except RevisionNotFoundError:
        problem = f"the hub has no revision {revision} of it; correct student.revision"
    except (RepositoryNotFoundError, HFValidationError):
        problem = "neither a folder nor a model on the hub; correct it, or set HF_TOKEN if private"
    except (HfHubHTTPError, HTTPError, OSError) as error:
        problem = f"the hub cannot be reached ({one_line(error)[:80]}); name a folder instead"
    else:
        return
    raise InputError(f"student {base}: {problem}")


def _check_context(tokenizer: PreTrainedTokenizerBase, base: str, roles: tuple[str, ...]) -> None:
    talk = [
        {"role": role, "content": f"{number}. {PROBE}"}
        for number, role in enumerate((*roles, "user"))
    ]
    messages = for_template(tokenizer, talk)
    if not _shows(_prompt(tokenizer, tuple(messages), base), messages):
        raise InputError(
            f"student.base: {base}: its chat template does not show a conversation "
            f"({', '.join(roles)}, user) unchanged and in order; use another template, or remove "
            "the rows with such messages before the question"
        )


def _check_task(tokenizer: PreTrainedTokenizerBase, base: str, place: str, task: Task) -> None:
    """Check one task: some templates remove or refuse texts that look like their own marks."""
    messages = for_template(tokenizer, messages_of(task))
    try:
        problem = (
            "" if _shows(rendered(tokenizer, messages, prompt=True), messages) else "changes it"
        )
    except RENDER_ERRORS as error:
        problem = f"fails on it ({one_line(error)[:100]})"
    if problem:
        raise InputError(
            f"{place}: the chat template of student.base {base} {problem}; change or remove the row"
        )


def _shows(prompt: str, messages: Sequence[Message]) -> bool:
    """Whether a prompt has the texts of all messages, in order."""
    end = 0
    for message in messages:
        text = message["content"].strip()
        end = prompt.find(text, end) + len(text)
        if end < len(text):
            return False
    return True


def _prompt(tokenizer: PreTrainedTokenizerBase, task: Task, base: str) -> str:
    marks = {name: str(mark) for name, mark in tokenizer.special_tokens_map.items()}
    return render_untrusted(str(tokenizer.chat_template), marks, task, name=base)


def _check_ids(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, base: str) -> None:
    """Check that the model has embeddings for every id of prompts, answers and padding."""
    rows = int(config.get_text_config().vocab_size)
    marks = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    used = {*tokenizer.get_vocab().values()} - marks
    used.update(
        [*encode_prompt(tokenizer, PROBE[:60]), int(tokenizer.eos_token_id), pad_id(tokenizer)]
    )
    if max(used) >= rows:
        raise InputError(
            f"student.base: {base}: its tokenizer uses id {max(used)}, but the model has "
            f"embeddings for 0 to {rows - 1} only; use the model's own tokenizer, or resize the "
            "embeddings"
        )
