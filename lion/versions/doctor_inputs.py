"""Checks of `lion doctor` on the seeds, the questions and the student."""

import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lion.chat.offline import are_offline_tasks, check_offline, is_offline
from lion.evaluate.check import describe, prompt_lengths
from lion.evaluate.questions import read_questions
from lion.params import Params
from lion.pools.instructions import task_texts
from lion.pools.seeds import seeds_of
from lion.support.errors import LionError
from lion.versions.doctor_files import Finding

if TYPE_CHECKING:
    from lion.student.fitness import Fitness

_TOY = 10_000_000  # parameters; a smaller student cannot learn language
_ADAM = 12  # bytes per parameter of a checkpoint: float32 weights and both moments


def data_of(params: Params) -> Iterator[Finding]:
    """Check every question, and the seeds as `lion check seeds` does, but not near-duplicates."""
    path = Path(params.seeds)
    try:
        seeds = seeds_of(params, path)
        check_offline(params, seeds.texts)
        yield Finding("OK", f"seeds: {next(describe(path, seeds, params.seeds_columns))}")
        base = Path(params.student.base)
        if base.is_dir():
            yield _room(*prompt_lengths(seeds, base, limit=params.imitate.max_length), params)
    except LionError as error:
        yield Finding("error", f"seeds: {error.format_message()}")
    for name, file in {
        "evaluate.questions": params.evaluate.questions,
        **{f"decontaminate.files.{key}": at for key, at in params.decontaminate.files.items()},
    }.items():
        try:
            questions = read_questions(Path(file))
            if not is_offline(params) and are_offline_tasks(task_texts(questions)):
                yield Finding(
                    "warning",
                    f"{name}: {file}: the questions of the offline run, which say little about"
                    " another run; name a file of your own",
                )
                continue
            yield Finding("OK", f"{name}: {file}: {questions.height:,} questions")
        except LionError as error:
            yield Finding("error", f"{name}: {error.format_message()}")


def _room(line: str, over: int, params: Params) -> Finding:
    """Return a finding on prompt lengths; `over` prompts leave an answer no room in training."""
    if not over:
        return Finding("OK", f"seeds: {line}")
    if params.imitate.truncate:
        return Finding("warning", f"seeds: {line}; imitate.truncate leaves them out")
    fix = "raise it, set imitate.truncate: true, or remove these seeds"
    return Finding("error", f"seeds: {line}; {fix}")


def student_of(params: Params) -> Iterator[Finding]:
    """Check that the base loads, that its template shows the task, and that it fits into memory."""
    from lion.student.fitness import fitness_of

    named = f"student: {params.student.base}"
    try:
        with tempfile.TemporaryDirectory() as scratch:
            fitness = fitness_of(params, Path(scratch))
    except LionError as error:
        yield Finding("error", error.format_message())
        return
    if fitness.parameters < _TOY and not is_offline(params):
        yield Finding(
            "warning",
            f"{named}: {fitness}; a student of this size learns only the offline tasks; set"
            " student.base",
        )
    elif fitness.fits:
        yield Finding("OK", f"{named}: {fitness}")
    else:
        yield Finding("warning", f"{named}: {fitness}; {fitness.advice}")
    if params.student.engine == "vllm" and find_spec("vllm") is None:
        yield Finding(
            "error",
            "student.engine: vllm is not installed; run pip install 'lion[vllm]' on a machine with"
            " a GPU, or set student.engine: transformers",
        )
    if params.imitate.lora is None:
        yield _disk(params, fitness)


def _disk(params: Params, fitness: "Fitness") -> Finding:
    """Compare the size of all students and checkpoints with the free disk space."""
    rounds = len(params.round_names)
    checkpoints = 2 * _ADAM if params.compute.checkpoint_steps else 0
    # DVC's cache holds a second copy of each student unless the disk shares their blocks.
    bytes_needed = 2 * rounds * fitness.saved + checkpoints * fitness.parameters
    free = shutil.disk_usage(Path()).free
    text = f"disk: {rounds} students take up to {bytes_needed / 1e9:,.1f} GB"
    if bytes_needed <= free:
        return Finding("OK", f"{text} of {free / 1e9:,.1f} GB free")
    fix = "free disk space, or train an adapter (imitate.lora)"
    return Finding("warning", f"{text}, and {free / 1e9:,.1f} GB are free; {fix}")
