"""A run of the control: one seed and variant, in one process with the stages' functions."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks.control_data import DirectChat
from lion.discriminate.examination import Exam
from lion.discriminate.referee import review
from lion.discriminate.scores import discriminate, score
from lion.generate.drafts import Drafts
from lion.generate.generator import generate
from lion.generate.sampling import sides_of
from lion.imitate.contrast import pairs_of
from lion.imitate.replay import replayed
from lion.imitate.rewrite import rewrite, rows_to_rewrite
from lion.imitate.teacher import teach
from lion.params import Params
from lion.pools.cache import drawn_for_exam, usable, with_answers, with_responses, with_rewrites
from lion.pools.contamination import known_questions
from lion.pools.instructions import task_texts
from lion.pools.tables import ANSWER, ANSWERED, REVIEW, from_rows
from lion.student.answering import answer_pool
from lion.student.contrast import contrast
from lion.student.likelihood import losses_on
from lion.student.models import Loaded, load_student
from lion.student.training import train

Row = dict[str, Any]


@dataclass
class State:
    """The state of a run after a round."""

    loaded: Loaded
    cache: pl.DataFrame
    answers: pl.DataFrame | None = None  # of this student to the whole pool, if known


class Examined(NamedTuple):
    """A student's answers, the referee's replies to them, and the verdicts."""

    responses: pl.DataFrame
    reviews: pl.DataFrame
    verdicts: pl.DataFrame


@dataclass(frozen=True)
class Bench:
    """The inputs that all variants of a task mix share."""

    params: Params
    mix: str
    chat: DirectChat
    seeds: pl.DataFrame
    questions: dict[str, pl.DataFrame]
    base: Path
    digest: str  # of the base model


def changed(params: Params, seed: int, changes: dict[str, Any]) -> Params:
    """Return `params` with a seed and a variant's changes (dotted keys), validated like a file."""
    raw = params.model_dump()
    raw["seed"] = seed
    for key, value in changes.items():
        *path, last = key.split(".")
        part = raw
        for name in path:
            part = part[name]
        part[last] = value
    return Params.model_validate(raw)


def begin(bench: Bench, seed: int) -> State:
    """Run round 0: the base student learns the seeds."""
    params = changed(bench.params, seed, {})
    state = State(load_student(bench.base), pl.DataFrame(schema=ANSWERED))
    imitate(bench, state, bench.seeds, params, "r0")
    state.answers = _answers(state, usable(state.cache), params)
    return state


def rounds(bench: Bench, shared: State, params: Params) -> Row:
    """Play all rounds of one variant from a copy of `shared`; return the figures of the last."""
    loaded = Loaded(copy.deepcopy(shared.loaded.model), shared.loaded.tokenizer)
    state = State(loaded, shared.cache, shared.answers)
    figures: dict[str, float] = {}
    for name in params.rounds:
        pool, examined, figures = examine(bench, state, params, name)
        imitate(bench, state, pool, params, name, examined=examined)
    return {"round": len(params.rounds), **figures, **evaluate(bench, state, params)}


def seeds_only(bench: Bench, params: Params) -> Row:
    """Train once on the seeds alone; return the figures."""
    state = State(load_student(bench.base), pl.DataFrame(schema=ANSWERED))
    imitate(bench, state, bench.seeds, params, "r0")
    return {
        "round": len(params.rounds),
        "epochs": params.imitate.epochs,
        **evaluate(bench, state, params),
    }


def examine(
    bench: Bench, state: State, params: Params, name: str
) -> tuple[pl.DataFrame, Examined, dict[str, float]]:
    """Respond, referee, discriminate and generate.

    Return the next train pool, the examination, and the share of hard rows and the mean gap.
    """
    whole = usable(state.cache)
    responses, reviews = review_of(bench, state, whole, params, name)
    verdicts = discriminate(score(reviews), tau=params.tau)
    examined = Examined(responses, reviews, verdicts)
    sides = sides_of(
        state.cache,
        verdicts,
        params.sampling,
        seed=params.seed,
        difficulty=_losses(state, whole, params) if params.examine.loss else None,
    )
    pool, _ = generate(
        sides,
        state.cache,
        Drafts(bench.chat, params.generator),
        settings=params.generate,
        avoid=known_questions(
            pl.concat(bench.questions.values()).unique("id", maintain_order=True),
            words=params.decontaminate.words,
        ),
        round=name,
        seed=params.seed,
    )
    judged = verdicts.drop_nulls("gap")
    if not judged.height:
        return pool, examined, {}
    shares = {"hard_share": (judged["verdict"] == "hard").mean(), "mean_gap": judged["gap"].mean()}
    figures = {key: round(float(value), 4) for key, value in shares.items()}  # type: ignore[arg-type]
    return pool, examined, figures


def review_of(
    bench: Bench, state: State, whole: pl.DataFrame, params: Params, name: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Respond and referee; return the student's answers to the examined rows, and the reviews."""
    known, state.answers = state.answers, None
    draw: dict[str, Any] = {"newest": params.round_before(name), "round": name, "seed": params.seed}
    rows = drawn_for_exam(whole, params.examine.count(whole.height), **draw)
    if not rows.height:
        return from_rows([], ANSWER), from_rows([], REVIEW)
    responses = _answers(state, rows, params) if known is None else known
    pairs = with_responses(rows, responses)
    exam = Exam(bench.chat, params.referee, params.examine, label=f"referee {name}", **draw)
    return responses, exam.examine(pairs)


def _losses(state: State, whole: pl.DataFrame, params: Params) -> pl.DataFrame:
    return losses_on(
        state.loaded,
        whole,
        limit=params.imitate.max_length,
        compute=params.compute,
        label="losses",
    )


def rewritten(
    bench: Bench, state: State, params: Params, name: str, examined: Examined
) -> pl.DataFrame:
    """Rewrite; return the teacher's new answers to hard rows."""
    if not params.rewrite.share:
        return from_rows([], ANSWER)
    rows = rows_to_rewrite(state.cache, *examined, params.rewrite, seed=params.seed, round=name)
    label, blind = f"rewrite {name}", params.rewrite.blind
    return rewrite(rows, bench.chat, params.teacher, blind=blind, label=label, round=name)


def imitate(
    bench: Bench,
    state: State,
    pool: pl.DataFrame,
    params: Params,
    name: str,
    *,
    examined: Examined | None = None,
) -> None:
    """Teach, rewrite, imitate, cache: train the student on `pool`."""
    new = rewritten(bench, state, params, name, examined) if examined else from_rows([], ANSWER)
    state.cache = with_rewrites(state.cache, new)
    answered = with_answers(pool, teach(pool, bench.chat, params.teacher, label=f"teach {name}"))
    lessons = usable(answered)
    count = params.replay * pool.height
    again = replayed(state.cache, count, seed=params.seed, round=name, rewrites=new)
    lessons = pl.concat([lessons.select(again.columns), again])
    common: dict[str, Any] = {
        "settings": params.imitate,
        "compute": params.compute,
        "seed": params.seed,
    }
    taught = list(zip(task_texts(lessons), lessons["answer"], strict=True))
    train(state.loaded, taught, label=f"imitate {name}", **common)
    if examined and params.imitate.contrast:
        pairs = pairs_of(
            state.cache,
            examined.responses,
            examined.verdicts,
            params.imitate.contrast,
            seed=params.seed,
            round=name,
        )
        contrast(state.loaded, pairs, label=f"contrast {name}", **common)
    state.cache = pl.concat([state.cache, answered.select(*ANSWERED)])


def evaluate(bench: Bench, state: State, params: Params) -> Row:
    """Return the relative quality in percent on each set of questions."""
    return {
        f"quality_{name}": _quality(bench, state, questions, params)
        for name, questions in bench.questions.items()
    }


def _quality(bench: Bench, state: State, questions: pl.DataFrame, params: Params) -> float:
    answers = teach(questions, bench.chat, params.teacher, label="questions")
    asked = usable(with_answers(questions, answers))
    pairs = with_responses(asked, _answers(state, asked, params))
    judged = score(review(pairs, bench.chat, params.judge, label="judge")).drop_nulls("gap")
    return round(100 * float(judged["student"].sum()) / float(judged["teacher"].sum()), 3)


def _answers(state: State, pool: pl.DataFrame, params: Params) -> pl.DataFrame:
    return answer_pool(
        state.loaded,
        pool,
        settings=params.student,
        compute=params.compute,
        seed=params.seed,
        label="answers",
    )
