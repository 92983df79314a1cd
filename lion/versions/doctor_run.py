"""Checks of `lion doctor` on what a run reads, trains and asks: seeds, questions, student, roles.

Each role gets one short request. Each call makes a new task, so that no reply comes from the store.
"""

import io
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import polars as pl

from lion.chat import Asks, Chat, Reply, Request, connect
from lion.chat.budget import Budget, Usage
from lion.chat.client import offered_models
from lion.chat.offline import are_offline_tasks, check_offline, is_offline
from lion.chat.source import source_of
from lion.discriminate.referee import Protocol, review
from lion.discriminate.scores import ORDERS
from lion.evaluate.check import describe, prompt_lengths
from lion.evaluate.questions import read_questions
from lion.generate.drafts import Drafts
from lion.generate.generator import generate
from lion.imitate.teacher import teach
from lion.params import Params, Referee, Role
from lion.pools.contamination import Questions
from lion.pools.instructions import instruction_id, task_texts
from lion.pools.seeds import seeds_of
from lion.support.errors import ChatError, LionError
from lion.versions.doctor import Finding

if TYPE_CHECKING:
    from lion.student.fitness import Fitness

_TOY = 10_000_000  # parameters; a smaller student cannot learn language
_ADAM = 12  # bytes per parameter of a checkpoint: float32 weights and both moments
_WORDS = ("owl", "cat", "dog", "cow", "pig", "fox", "hen", "bee", "ant", "elk", "eel", "ram")
_LABEL = "lion doctor"
_ROW = re.compile(r"^row \w+: \S+: ")  # with the server's address
_KEPT = re.compile(r"; [\d,]+ of [\d,]+ replies are stored; run again to continue$")


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


def roles_of(params: Params) -> Iterator[Finding]:
    """Send each role a request, and report the time and the cost of its reply, or the error."""
    seen: set[str] = set()  # so that a missing key is one line, not one per role
    for role in get_args(Role):
        if role == "student" or (role == "referee" and params.examine.rows == 0):
            continue
        for finding in _ask(params, role):
            if finding.message not in seen:
                yield finding
            seen.add(finding.message)


def _ask(params: Params, role: Role) -> Iterator[Finding]:
    source = source_of(params, role)
    where = "in this process" if source.in_process else f"at {source.url}"
    name = f"{role}: {params.model_of(role)} {where}"
    if os.environ.get("LION_OFFLINE", "0") not in ("", "0") and not source.in_process:
        yield Finding("warning", f"{name}: not asked, since LION_OFFLINE is set")
        return
    at_once = {"mode": "live", "retries": 1, "patience": 30.0}
    endpoint = params.endpoint_of(role).model_copy(update=at_once)
    prepared = params.model_copy(update={"endpoints": {**params.endpoints, role: endpoint}})
    replies: list[Reply] = []
    notices = io.StringIO()
    try:
        with (
            redirect_stderr(notices),
            connect(prepared, role, stage="doctor", round=role) as chat,
        ):
            begun = time.monotonic()
            _work(prepared, role, _Recorded(chat, replies))
            seconds = time.monotonic() - begun
        yield Finding("OK", f"{name}: replied in {seconds:.1f} s; {_cost(params, role, replies)}")
    except ChatError as error:
        message = _KEPT.sub("", error.format_message()).removeprefix(f"doctor {role}, ")
        message = _ROW.sub(f"{name}: ", message.removeprefix("doctor: "))
        yield Finding("error", f"{message}{_offered(params, role, message)}")
    except LionError as error:
        reason = error.format_message().removeprefix(f"{_LABEL}: ")
        yield Finding("warning", f"{name}: {reason}; {_cost(params, role, replies)}")
    for line in notices.getvalue().splitlines():
        if not line.startswith((_LABEL, "generate ")):
            yield Finding("warning", line.removeprefix(f"doctor {role}: "))


@dataclass
class _Recorded:
    """A role's chat that adds each reply to `replies`."""

    chat: Chat
    replies: list[Reply]

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        replies = self.chat.ask(requests, label=label)
        self.replies += replies
        return replies


def _cost(params: Params, role: Role, replies: list[Reply]) -> str:
    """Describe the tokens and the money of live replies."""
    prompt = sum(reply.prompt_tokens for reply in replies)
    completion = sum(reply.completion_tokens for reply in replies)
    budget, model = Budget(params.prices, params.budget), params.model_of(role)
    money = budget.cost(Usage(model, "live", len(replies), prompt, completion))
    price = "no price set" if money is None else f"{money:.4f} {budget.currency}"
    if source_of(params, role).in_process:
        price = "free of charge"
    return f"{prompt:,} tokens in, {completion:,} out, {price}"


def _offered(params: Params, role: Role, message: str) -> str:
    """Return a hint with the server's models if it may not offer the requested one, else empty."""
    is_about_model = "status 404" in message or "model" in message
    models = offered_models(params, role) if is_about_model else []
    if not models:
        return ""
    more = f" and {len(models) - 5} more" if len(models) > 5 else ""
    return f"; set `model` to one that the server offers: {', '.join(models[:5])}{more}"


def _work(params: Params, role: Role, chat: Asks) -> None:
    """Let the role work on a task that every model can do."""
    words = random.SystemRandom().sample(_WORDS, 5)
    pool = pl.DataFrame(
        {
            "id": [instruction_id(f"Reverse: {' '.join(words)}", "")],
            "instruction": [f"Reverse: {' '.join(words)}"],
            "input": [""],
            "answer": [" ".join(reversed(words))],
            "response": [" ".join(words)],
            "group": [0],
        }
    )
    if role == "teacher":
        teaching = params.teacher.model_copy(update={"retries": 0})
        teach(pool, chat, teaching, label=_LABEL)
    elif role == "generator":
        few = params.generate.model_copy(update={"count": 1, "max_draws": 1, "novelty": 1.0})
        generate(
            {"hard": pool.select("id", "instruction", "input", "group"), "easy": pool.clear()},
            pool,
            Drafts(chat, params.generator),
            settings=few,
            avoid=Questions([], [], words=0),
            round="r1",
            seed=params.seed,
        )
    else:
        settings: Referee = params.judge if role == "judge" else params.referee
        # A retry asks for JSON, which small models may need.
        twice = settings.model_copy(update={"retries": min(settings.retries, 1)})
        scores_first = role == "judge" and params.judge.setting == 1
        protocol: Protocol = "judge.txt" if scores_first else "referee.txt"
        first = ORDERS[:1]
        review(pool, chat, twice, label=_LABEL, protocol=protocol, orders=first)
