"""`lion try`: every role works on a few of the user's seeds."""

import random
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from lion.chat import connect
from lion.chat.budget import Budget
from lion.chat.offline import check_offline
from lion.chat.store import Store
from lion.discriminate.referee import review
from lion.discriminate.scores import ORDERS, discriminate, score
from lion.evaluate.judging import judge_answers
from lion.evaluate.questions import read_questions
from lion.generate.drafts import Drafts
from lion.generate.generator import generate
from lion.imitate.teacher import teach
from lion.params import Params
from lion.pools.cache import usable, with_answers, with_responses
from lion.pools.contamination import known_questions
from lion.pools.instructions import flat_text, task_of
from lion.pools.seeds import seeds_of
from lion.student.models import write_base
from lion.student.respond import answer_with
from lion.support.errors import LionError
from lion.support.home import store_file
from lion.support.text import visible

_STAGE = "try"
_COLUMNS = 80
_SHOWN = 700  # characters of a text
_DRAWS = 3  # drafts of a new instruction


@dataclass
class Trial:
    """The output of every role on a few seeds, up to the first `fault`."""

    seeds: pl.DataFrame  # id, place, instruction, input
    answers: pl.DataFrame | None = None  # ANSWER, of the teacher
    responses: pl.DataFrame | None = None  # ANSWER, of the student
    reviews: dict[str, pl.DataFrame] = field(default_factory=dict)  # REVIEW, by role
    drafts: pl.DataFrame | None = None  # DRAW
    fault: LionError | None = None


def try_roles(params: Params, count: int) -> Trial:
    """Put `count` seeds through every role, until a role fails.

    The store keeps the replies; the run reuses the answers of the teacher.
    """
    path = Path(params.seeds)
    seeds = seeds_of(params, path)
    check_offline(params, seeds.texts)
    frame = seeds.frame.with_columns(
        pl.Series("id", [*seeds.seeds]),
        pl.Series("place", [seed.place for seed in seeds.seeds.values()]),
        group=pl.lit(0),
    )
    drawn = random.Random(params.seed).sample(range(frame.height), min(count, frame.height))
    trial = Trial(frame[sorted(drawn)])
    kept = seeds.kept(params.seeds_answers, path.name, thoughts=params.teacher.thoughts)
    try:
        _play(trial, params, kept)
    except LionError as error:
        trial.fault = error
    return trial


def _play(trial: Trial, params: Params, kept: pl.DataFrame) -> None:
    """Let each role work on the results of those before it."""
    with connect(params, "teacher", stage=_STAGE, round="r0") as chat:
        trial.answers = teach(trial.seeds, chat, params.teacher, label="teacher", kept=kept)
    trial.responses = _responses(trial.seeds, params)
    pairs = with_responses(usable(with_answers(trial.seeds, trial.answers)), trial.responses)
    if params.examine.rows != 0:
        with connect(params, "referee", stage=_STAGE, round="r1") as chat:
            trial.reviews["referee"] = review(pairs, chat, params.referee, label="referee")
    with connect(params, "judge", stage=_STAGE, round="r0") as chat:
        trial.reviews["judge"] = judge_answers(pairs, chat, params.judge, label="judge")
    trial.drafts = _drafts(trial.seeds, params)


def _responses(seeds: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Return the answers of the base model on this machine, since no student is trained yet."""
    settings = params.student
    if settings.engine == "server":
        settings = settings.model_copy(update={"engine": "transformers"})
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "base"
        write_base(folder, base=settings.base, revision=settings.revision)
        return answer_with(
            params.model_copy(update={"student": settings}),
            folder,
            seeds,
            connect=partial(connect, role="student", stage=_STAGE, round="base"),
            label="student",
        )


def _drafts(seeds: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Return the drafts of one new instruction, as if every seed were hard."""
    words = params.decontaminate.words
    settings = params.generate.model_copy(update={"count": 1, "max_draws": _DRAWS})
    with connect(params, "generator", stage=_STAGE, round="r1") as chat:
        _, drafts = generate(
            {"hard": seeds, "easy": seeds.clear()},
            seeds,
            Drafts(chat, params.generator),
            settings=settings,
            avoid=known_questions(read_questions(Path(params.evaluate.questions)), words=words),
            round="r1",
            seed=params.seed,
        )
    return drafts


def spent_so_far(params: Params) -> tuple[int, float]:
    """Return the requests of all `lion try` runs so far, and their money as far as it is known."""
    budget = Budget(params.prices, params.budget)
    with Store(store_file()) as store:
        spent = [entry.spent() for entry in store.entries() if entry.stage == _STAGE]
    return sum(usage.requests for usage in spent), sum(budget.cost(usage) or 0 for usage in spent)


def as_text(trial: Trial, *, tau: float) -> Iterator[str]:
    """Yield the trial as lines of text."""
    for number, row in enumerate(trial.seeds.iter_rows(named=True), start=1):
        yield f"{number}. {visible(row['place'])}"
        yield from _block("task", flat_text(task_of(row)))
        for name, frame in (("teacher", trial.answers), ("student", trial.responses)):
            if frame is not None:
                [answer] = frame.filter(id=row["id"]).iter_rows(named=True)
                note = "" if answer["finish_reason"] == "stop" else f" [{answer['finish_reason']}]"
                yield from _block(name, answer["answer"] + note)
        verdicts = {
            _verdict(reviews.filter(id=row["id"]), tau): role
            for role, reviews in reversed(trial.reviews.items())
        }  # equal verdicts are shown once
        for verdict, role in reversed(verdicts.items()):
            yield from _block(role, verdict)
        yield ""
    if trial.drafts is not None:
        last = trial.drafts[-1].row(0, named=True)
        [place] = trial.seeds.filter(id=last["parent"])["place"]
        yield f"A new instruction, inspired by {visible(place)}"
        yield from _block("task", last["instruction"])
        yield ""


def _verdict(reviews: pl.DataFrame, tau: float) -> str:
    """Return the scores in each order, and the verdict."""
    orders = tuple(order for order in ORDERS if order in reviews["order"])
    if not orders:
        return "not asked: the teacher's answer is incomplete"
    points = []
    for order in orders:
        last = reviews.filter(order=order).sort("attempt").row(-1, named=True)
        shown = "no readable scores"
        if last["teacher"] is not None:
            shown = f"teacher {last['teacher']:g}, student {last['student']:g}"
        points.append(f"{order.removesuffix('_first')} shown first: {shown}")
    [verdict] = discriminate(score(reviews, orders), tau=tau)["verdict"]
    return f"{'; '.join(points)}: {verdict}"


def _block(name: str, text: str) -> list[str]:
    """Return a text, wrapped and cut to a readable length, beside its name."""
    text = visible(text)
    if len(text) > _SHOWN:
        text = f"{text[:_SHOWN].rstrip()} ... ({len(text):,} characters)"
    lines = [
        line
        for paragraph in text.splitlines() or ["(empty)"]
        for line in textwrap.wrap(paragraph, _COLUMNS - 11) or [""]
    ]
    names = [name, *[""] * len(lines)]
    return [f"   {name:<8}{line}".rstrip() for name, line in zip(names, lines, strict=False)]
