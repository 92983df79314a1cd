"""Measure what the referee's choice contributes: the control that the paper lacks, and ablations.

`python -m benchmarks.control --seeds 1-10 --rows RESULTS.jsonl referee-rows chance-rows`

Runs the loop in one process through the functions that the stages call, so that the variants of a
seed share round 0. Appends the figures to RESULTS.jsonl and skips runs that are already there.
A single variant is one DVC experiment: `--list` prints its command.
`python -m benchmarks.control_table RESULTS.jsonl` prints the tables.
"""

import copy
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
import polars as pl
import torch

from benchmarks.control_data import MIXES, DirectChat, questions_of, seeds_of
from benchmarks.control_variants import FIVE_ROUNDS, SEEDS_ONLY, START, VARIANTS, command
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
from lion.params import Params, load_params
from lion.pools.cache import drawn_for_exam, usable, with_answers, with_responses, with_rewrites
from lion.pools.contamination import known_questions
from lion.pools.instructions import task_texts
from lion.pools.tables import ANSWER, ANSWERED, REVIEW, from_rows
from lion.student.answering import answer_pool
from lion.student.contrast import contrast
from lion.student.likelihood import losses_on
from lion.student.models import Loaded, load_student, model_digest, write_base
from lion.student.resumable import Resumable
from lion.student.training import train

Row = dict[str, Any]


@dataclass
class State:
    """The state of a run after a round."""

    loaded: Loaded
    cache: pl.DataFrame
    answers: pl.DataFrame | None = None  # of this student to the whole pool, if they are known


class Examined(NamedTuple):
    """A student's answers, the referee's replies to them, and the verdicts."""

    responses: pl.DataFrame
    reviews: pl.DataFrame
    verdicts: pl.DataFrame


@dataclass(frozen=True)
class Bench:
    """What all variants of a task mix share."""

    params: Params
    mix: str
    chat: DirectChat
    seeds: pl.DataFrame
    questions: dict[str, pl.DataFrame]
    base: Path
    digest: str  # of the base model


@click.command()
@click.argument("variants", nargs=-1)
@click.option("--seeds", default="1-10", show_default=True, help="Such as 3, or 1-10.")
@click.option("--mix", type=click.Choice(MIXES), default="zipf", show_default=True)
@click.option("--rows", type=click.Path(path_type=Path), help="File to append the figures to.")
@click.option("--params", "params_path", type=click.Path(path_type=Path), default="params.yaml")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
@click.option("--list", "listed", is_flag=True, help="Print each variant as a DVC experiment.")
def main(
    variants: tuple[str, ...],
    seeds: str,
    mix: str,
    rows: Path | None,
    params_path: Path,
    threads: int,
    listed: bool,
) -> None:
    """Run VARIANTS (default: all) for each seed."""
    chosen = variants or tuple(VARIANTS)
    if unknown := set(chosen) - set(VARIANTS):
        raise click.UsageError(f"unknown: {', '.join(unknown)}; known: {', '.join(VARIANTS)}")
    if listed:
        click.echo("\n".join(f"{name}: {command(name)}" for name in chosen))
        return
    if not rows:
        raise click.UsageError("--rows is missing: name the file for the figures")
    torch.set_num_threads(threads)
    params = load_params(params_path)
    base = rows.parent / f".base-{os.getpid()}"
    write_base(base, base=params.student.base, revision=params.student.revision)
    first, _, last = seeds.partition("-")
    bench = Bench(
        params,
        mix,
        DirectChat(params.oracle),
        seeds_of(mix, params.seeds),
        questions_of(),
        base,
        (model_digest(params.student.base) or params.student.base)[:8],
    )
    for seed in range(int(first), int(last or first) + 1):
        run_seed(bench, seed, chosen, rows)


def run_seed(bench: Bench, seed: int, variants: tuple[str, ...], out: Path) -> None:
    """Run all `variants` of one seed from a shared round 0, except those already in `out`."""
    done = _done(out)
    todo = [name for name in variants if (bench.mix, name, seed) not in done]
    params = changed(bench.params, seed, {})
    shared: State | None = None
    for name in todo:
        begun = time.process_time()
        own = changed(bench.params, seed, VARIANTS[name])
        if name in SEEDS_ONLY:
            bench.chat.spent.clear()
            _append(out, bench, name, seed, seeds_only(bench, own), begun)
            continue
        if shared is None:
            bench.chat.spent.clear()
            shared = begin(bench, seed)
            if (bench.mix, START, seed) not in done:
                start = iter([{"round": 0, **evaluate(bench, shared, params)}])
                _append(out, bench, START, seed, start, begun)
            begun = time.process_time()
        bench.chat.spent.clear()
        figures = rounds(bench, shared, own, each=name in FIVE_ROUNDS)
        _append(out, bench, name, seed, figures, begun)


def _append(
    out: Path, bench: Bench, name: str, seed: int, rows: Iterator[Row], begun: float
) -> None:
    """Compute `rows` and append them to `out` at once, with what they spent and the CPU seconds."""
    complete = [{"mix": bench.mix, "variant": name, "seed": seed, **row} for row in rows]
    seconds = round(time.process_time() - begun)
    context = {"base": bench.digest, "seconds": seconds, "spent": dict(bench.chat.spent)}
    with out.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row | context) + "\n" for row in complete)
    click.echo(f"{json.dumps(complete[-1])} {seconds} s", err=True)


def changed(params: Params, seed: int, changes: dict[str, Any]) -> Params:
    """Return `params` with a seed and the changes of a variant, validated like a file."""
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


def rounds(bench: Bench, shared: State, params: Params, *, each: bool) -> Iterator[Row]:
    """Yield the figures of one variant after its last round, or after `each` round."""
    loaded = Loaded(copy.deepcopy(shared.loaded.model), shared.loaded.tokenizer)
    state = State(loaded, shared.cache, shared.answers)
    names = list(params.rounds)
    for number, name in enumerate(names, start=1):
        pool, examined, gap_figures = examine(bench, state, params, name)
        imitate(bench, state, pool, params, name, examined=examined)
        if each or name == names[-1]:
            yield {"round": number, **gap_figures, **evaluate(bench, state, params)}


def seeds_only(bench: Bench, params: Params) -> Iterator[Row]:
    """Train once on the seeds alone; yield the figures."""
    state = State(load_student(bench.base), pl.DataFrame(schema=ANSWERED))
    imitate(bench, state, bench.seeds, params, "r0")
    yield {
        "round": len(params.rounds),
        "epochs": params.imitate.epochs,
        **evaluate(bench, state, params),
    }


def examine(
    bench: Bench, state: State, params: Params, name: str
) -> tuple[pl.DataFrame, Examined, dict[str, float]]:
    """Respond, referee, discriminate, generate; return the next train pool and gap figures."""
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
    """Respond and referee; return a student's answers to the examined rows, and the reviews."""
    known, state.answers = state.answers, None
    draw = {"newest": params.round_before(name), "round": name, "seed": params.seed}
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
        resumable=Resumable(None),
    )


def rewritten(
    bench: Bench, state: State, params: Params, name: str, examined: Examined
) -> pl.DataFrame:
    """Rewrite: return the teacher's new answers to hard rows."""
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


def _done(path: Path) -> set[tuple[str, str, int]]:
    if not path.exists():
        return set()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row["mix"], row["variant"], row["seed"]) for row in rows}


if __name__ == "__main__":
    main()
