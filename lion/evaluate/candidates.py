"""Candidates: whoever answers the questions, so that every baseline has its row."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from lion.chat import connect
from lion.evaluate.layouts import LAYOUTS, TEMPLATE
from lion.evaluate.recorded import read_answers
from lion.imitate.teacher import teach
from lion.params import Candidate, Params
from lion.pools.instructions import task_text
from lion.pools.tables import ANSWER, from_rows
from lion.support.errors import InputError

if TYPE_CHECKING:
    from lion.student.models import Loaded

TEACHER = "teacher"


def answers_of(name: str, questions: pl.DataFrame, params: Params) -> pl.DataFrame:
    """The answers (ANSWER) of candidate `name`, or of the teacher, to `questions` (KEYED).

    Recorded answers may lack some questions; InputError if they answer none.
    """
    if name == TEACHER:
        return _asked(name, questions, params)
    candidate = params.evaluate.candidates[name]
    if candidate.answers:
        return read_answers(Path(candidate.answers), questions)
    if candidate.api:
        return _asked(name, questions, _as_teacher(params, candidate))
    return _generated(name, candidate, questions, params)


def _as_teacher(params: Params, candidate: Candidate) -> Params:
    """`params` in which the candidate is asked in the teacher's place."""
    endpoint = params.endpoint_of("teacher")
    own = {"base_url": candidate.base_url, "api_key_env": candidate.api_key_env}
    changes = {key: value for key, value in own.items() if value}
    return params.model_copy(
        update={
            "teacher": params.teacher.model_copy(update={"model": candidate.api}),
            "endpoints": {**params.endpoints, "teacher": endpoint.model_copy(update=changes)},
        }
    )


def _asked(name: str, questions: pl.DataFrame, params: Params) -> pl.DataFrame:
    with connect(params, "teacher", stage="evaluate", round=name) as chat:
        return teach(questions, chat, params.teacher, label=f"evaluate {name}: answers")


def _generated(
    name: str, candidate: Candidate, questions: pl.DataFrame, params: Params
) -> pl.DataFrame:
    from lion.student.answering import answer_tasks

    loaded, prompts = _loaded(candidate, questions)
    answers = answer_tasks(
        loaded,
        prompts,
        settings=params.student,
        compute=params.compute,
        seed=params.seed,
        label=f"evaluate {name}: answers",
    )
    rows = [
        {"id": id, "model": name, **vars(answer)}
        for id, answer in zip(questions["id"], answers, strict=True)
    ]
    return from_rows(rows, ANSWER)


def _loaded(candidate: Candidate, questions: pl.DataFrame) -> "tuple[Loaded, list[str]]":
    """The model, and each question as it wants it laid out."""
    texts = list(questions.select("instruction", "input").iter_rows())
    if candidate.student:
        if not Path(candidate.student).is_dir():
            raise InputError(f"evaluate.candidates: {candidate.student}: no such student folder")
        return load_any(candidate.student, None), [task_text(*text) for text in texts]
    loaded = load_any(candidate.checkpoint or "", candidate.revision)
    if candidate.layout is None or candidate.layout == "chat":
        if not loaded.tokenizer.chat_template:
            raise InputError(
                f"evaluate.candidates: {candidate.checkpoint}: its tokenizer has no chat template; "
                "give another layout: raw, alpaca, vicuna or wizardlm"
            )
        return loaded, [task_text(*text) for text in texts]
    loaded.tokenizer.chat_template = TEMPLATE
    return loaded, [LAYOUTS[candidate.layout](*text) for text in texts]


def load_any(source: str, revision: str | None) -> "Loaded":
    """The model in a student's folder, in any folder, or on the Hugging Face hub."""
    from lion.student.models import POINTER, load_student, write_base

    if (Path(source) / POINTER).exists():
        return load_student(Path(source))
    with tempfile.TemporaryDirectory() as scratch:
        pointer = Path(scratch) / "base"
        write_base(pointer, base=source, revision=revision)
        return load_student(pointer)
