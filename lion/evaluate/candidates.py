"""The answers of candidates: students, checkpoints, API models and recorded answers."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from lion.chat import connect
from lion.evaluate.recorded import read_answers
from lion.imitate.teacher import teach
from lion.params import Candidate, Endpoint, Params
from lion.pools.cache import without_unclear
from lion.pools.instructions import context_of, flat_text, task_of, task_text
from lion.support.errors import InputError

if TYPE_CHECKING:
    from lion.student.models import Loaded

# Prompt templates of published checkpoints, with the wording of their training.
_ALPACA = (
    "Below is an instruction that describes a task{paired}. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n{input}### Response:"
)
_PAIRED = ", paired with an input that provides further context"
_VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def _alpaca(instruction: str, input: str) -> str:
    paired, part = (_PAIRED, f"### Input:\n{input}\n\n") if input else ("", "")
    return _ALPACA.format(paired=paired, instruction=instruction, input=part)


# From an instruction and its input to the text of a prompt.
TEMPLATES: dict[str, Callable[[str, str], str]] = {
    "raw": task_text,
    "alpaca": _alpaca,
    "vicuna": lambda *task: f"{_VICUNA} USER: {task_text(*task)} ASSISTANT:",
    "wizardlm": lambda *task: f"{task_text(*task)}\n\n### Response:",
}


def answers_of(name: str, questions: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Return the answers (ANSWER) of a candidate or of the teacher to `questions` (KEYED)."""
    label = f"evaluate {name}: answers"
    if name == "teacher":
        return _asked(name, questions, params, label)
    candidate = params.evaluate.candidates[name]
    if candidate.answers:
        return read_answers(Path(candidate.answers), questions)
    if candidate.api:
        return _asked(name, questions, _as_teacher(params, candidate), label)
    if candidate.student:
        answers = _by_student(name, Path(candidate.student), questions, params, label)
    else:
        answers = _by_checkpoint(candidate, questions, params, label)
    return answers.with_columns(model=pl.lit(name))


def _as_teacher(params: Params, candidate: Candidate) -> Params:
    """Return `params` with the candidate in place of the teacher."""
    own = {
        "base_url": candidate.base_url,
        "api_key_env": candidate.api_key_env,
        "identity": candidate.base_url,  # two servers on one machine are two candidates
    }
    changes = Endpoint.model_validate({key: value for key, value in own.items() if value})
    endpoint = changes.over(params.endpoint_of("teacher"))
    return params.model_copy(
        update={
            "teacher": params.teacher.model_copy(update={"model": candidate.api}),
            "endpoints": {**params.endpoints, "teacher": endpoint},
        }
    )


def _asked(name: str, questions: pl.DataFrame, params: Params, label: str) -> pl.DataFrame:
    with connect(params, "teacher", stage="evaluate", round=name) as chat:
        return without_unclear(teach(questions, chat, params.teacher, label=label))


def _by_student(
    name: str, folder: Path, questions: pl.DataFrame, params: Params, label: str
) -> pl.DataFrame:
    """Return a student's answers, with the engine, precision and device of the stages."""
    from lion.student.respond import answer_with

    if not folder.is_dir():
        raise InputError(f"evaluate.candidates: {folder}: no such student folder")
    ask = partial(connect, role="student", stage="evaluate", round=name)
    return answer_with(params, folder, questions, connect=ask, label=label)


def _by_checkpoint(
    candidate: Candidate, questions: pl.DataFrame, params: Params, label: str
) -> pl.DataFrame:
    from lion.student.answering import answer_pool
    from lion.student.template import has_own_template
    from lion.student.thoughts import own_form

    loaded = load_any(candidate.checkpoint or "", candidate.revision, params)
    if candidate.template and candidate.template != "chat":
        # The texts are prompts already; this chat template adds only the start token.
        loaded.tokenizer.chat_template = "{{ bos_token }}{{ messages[0]['content'] }}"
        render = TEMPLATES[candidate.template]
        texts = [_published(render, row) for row in questions.iter_rows(named=True)]
        questions = questions.select("id", instruction=pl.Series(texts), input=pl.lit(""))
    elif not has_own_template(loaded.tokenizer):
        raise InputError(
            f"evaluate.candidates: {candidate.checkpoint}: its tokenizer has no chat template; "
            "set template to raw, alpaca, vicuna or wizardlm"
        )
    else:
        loaded.thoughts = loaded.thoughts or own_form(loaded.tokenizer)
    return answer_pool(
        loaded,
        questions,
        settings=params.student,
        seed=params.seed,
        label=label,
        compute=params.compute,
    )


def _published(render: Callable[[str, str], str], row: dict[str, Any]) -> str:
    """Render a row; a system prompt and earlier turns go into the text, as templates lack them."""
    if context_of(row):
        return render(flat_text(task_of(row)), "")
    return render(row["instruction"], row["input"])


def load_any(source: str, revision: str | None, params: Params) -> "Loaded":
    """Load the model in a student's folder or another model's folder, or a Hugging Face name.

    InputError unless the engine is transformers, since the model is needed in this process.
    """
    from lion.student.models import POINTER, load_options, load_student, write_base
    from lion.student.thoughts import read_form

    if params.student.engine != "transformers":
        raise InputError(
            f"{source}: student.engine: {params.student.engine} cannot answer for a checkpoint; "
            "set engine: transformers, or serve the model and name it as an api candidate"
        )
    options = load_options(params.student, params.compute, trained=False)
    if (Path(source) / POINTER).exists():
        return load_student(Path(source), options=options)
    with tempfile.TemporaryDirectory() as scratch:
        pointer = Path(scratch) / "base"
        write_base(pointer, base=source, revision=revision)
        loaded = load_student(pointer, options=options)
    loaded.thoughts = read_form(Path(source))
    return loaded
