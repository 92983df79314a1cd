"""Generation: new instructions like the hard ones, and rarer ones in the domains of easy ones."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from lion.chat import Asks, Reply, Request
from lion.generate.rules import REPEATS, fault
from lion.generate.sampling import Origin
from lion.params import Generate, Generator
from lion.params.pools import Rules
from lion.pools.contamination import Questions
from lion.pools.instructions import context_of, draft_id, stable_seed, task_text, task_texts
from lion.pools.novelty import NoveltyFilter
from lion.pools.tables import ACCEPTED, DRAW, INSTRUCTION, from_rows
from lion.pools.tokens import length_in_words
from lion.prompts import Message, render, unwrap
from lion.support.errors import EmptyError

CONTAMINATED = "repeats a question of the evaluation"
NOT_NEEDED = "one more than wanted"


@dataclass(frozen=True)
class Draw:
    """A drawn parent; `turn` counts how often this round has drawn it.

    A new instruction inherits the system prompt of its parent, but not the parent's earlier turns:
    it must make sense on its own.
    """

    origin: Origin
    parent: str
    text: str
    turn: int
    context: tuple[Message, ...] = ()

    @property
    def system(self) -> str | None:
        """Return the parent's system prompt."""
        return next((m["content"] for m in self.context if m["role"] == "system"), None)


def quotas(settings: Generate, *, hard: int, easy: int) -> dict[Origin, int]:
    """Return how many rows to accept from each side; an empty side leaves its part to the other.

    No hard rows is the paper's equilibrium: the referee cannot tell student from teacher.
    """
    if not hard and not easy:
        raise EmptyError("generate: no judged instruction to draw from; check the reviews")
    wanted = round(settings.count * settings.hard_share)
    if not hard:
        wanted = 0
    if not easy:
        wanted = settings.count
    return {"hard": wanted, "easy": settings.count - wanted}


def generate(
    sides: dict[Origin, pl.DataFrame],
    cache: pl.DataFrame,
    chat: Asks,
    *,
    settings: Generate,
    asking: Generator,
    avoid: Questions,
    round: str,
    seed: int,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the new train pool (INSTRUCTION) and every draw (DRAW).

    `sides` has the hard and the easy instructions (sampling.sides_of), `cache` every instruction
    so far, `avoid` the evaluation questions. EmptyError if a side is short of its quota after
    max_draws draws per wanted row.
    """
    wanted = quotas(settings, hard=sides["hard"].height, easy=sides["easy"].height)
    texts = task_texts(cache)
    known = NoveltyFilter(texts, cache["id"].to_list(), threshold=settings.novelty)
    urns = {
        origin: _Urn(origin, frame, random.Random(f"{seed} {round} {origin}"))
        for origin, frame in sides.items()
    }
    rows: list[dict[str, Any]] = []
    for wave in itertools.count(1):
        draws = [
            draw
            for origin, urn in urns.items()
            for draw in urn.take(_due(rows, origin, wanted[origin], settings.max_draws, wave))
        ]
        if not draws:
            break
        replies = chat.ask(
            [_request(draw, asking, stable_seed("generator", seed, round)) for draw in draws],
            label=f"generate {round}, wave {wave}",
        )
        rows += _judge(draws, replies, known, avoid, rules=settings.rules, start=len(rows))
        _keep_quotas(rows, wanted)
    _check_full(rows, wanted, settings, round)
    draws_table = from_rows(rows, DRAW)
    return _train_pool(draws_table, round), draws_table


class _Urn:
    """Draws parents of one side with replacement: first a group, then one of its rows."""

    def __init__(self, origin: Origin, frame: pl.DataFrame, rng: random.Random) -> None:
        self.origin = origin
        groups: dict[int, list[dict[str, Any]]] = {}
        for row in frame.iter_rows(named=True):
            groups.setdefault(row["group"], []).append(row)
        self.groups = [*groups.values()]
        self.rng = rng
        self.turns: Counter[str] = Counter()

    def take(self, count: int) -> list[Draw]:
        draws = []
        for _ in range(count):
            [parents] = self.rng.choices(self.groups)
            [row] = self.rng.choices(parents)
            parent, text = row["id"], task_text(row["instruction"], row["input"])
            self.turns[parent] += 1
            draws.append(Draw(self.origin, parent, text, self.turns[parent], context_of(row)))
        return draws


def _request(draw: Draw, asking: Generator, seed: int) -> Request:
    """Build the request for `draw`; `seed` is the round's own.

    With another seed in each round, a parent drawn again gets a new draft, not its stored one.
    """
    return Request(
        id=draw.parent,
        messages=(
            render("generator_hard.txt", context=draw.context, task=draw.text)
            if draw.origin == "hard"
            else render("generator_easy.txt", context=draw.context, task=draw.text)
        ),
        temperature=asking.temperature,
        max_tokens=max(asking.min_tokens, asking.tokens_per_word * length_in_words(draw.text)),
        seed=stable_seed(seed, draw.parent, draw.turn),
    )


def _judge(
    draws: Sequence[Draw],
    replies: Sequence[Reply],
    known: NoveltyFilter,
    avoid: Questions,
    *,
    rules: Rules,
    start: int,
) -> list[dict[str, Any]]:
    """Return a row (DRAW) for each draw; accepted ones join `known` at once."""
    rows = [
        _unmatched(draw, reply, avoid, rules) | {"draw": number}
        for number, (draw, reply) in enumerate(zip(draws, replies, strict=True), start=start)
    ]
    fresh = [row for row in rows if row["verdict"] == ACCEPTED]
    texts = [row["instruction"] for row in fresh]
    matches = known.accept(texts, [draft_id(row) for row in fresh])
    for row, match in zip(fresh, matches, strict=True):
        if match:
            similarity = round(match.similarity, 6)
            row |= {"verdict": "too similar", "nearest": match.id, "similarity": similarity}
    return rows


def _unmatched(draw: Draw, reply: Reply, avoid: Questions, rules: Rules) -> dict[str, Any]:
    """Return a draw's row before the novelty check."""
    text = unwrap(reply.text)
    verdict, nearest = fault(reply, rules), None
    if verdict is None and draw.system and draw.system in text:
        verdict = REPEATS
    if verdict is None and (overlap := avoid.overlap(text)):
        verdict, nearest = CONTAMINATED, overlap.question
    return {
        "instruction": text,
        "nearest": nearest,
        "origin": draw.origin,
        "parent": draw.parent,
        "similarity": None,
        "system": draw.system,
        "verdict": verdict or ACCEPTED,
    }


def _due(rows: list[dict[str, Any]], origin: str, wanted: int, max_draws: int, wave: int) -> int:
    """Return how many to draw next: the missing ones, within max_draws per wanted row.

    After max_draws waves, each wave doubles, so that a few missing rows do not take a wave each.
    """
    drawn = len([row for row in rows if row["origin"] == origin])
    missing = wanted - _accepted(rows, origin)
    return min(missing << max(0, wave - max_draws), max_draws * wanted - drawn)


def _keep_quotas(rows: list[dict[str, Any]], wanted: dict[Origin, int]) -> None:
    """Reject what a large wave brought beyond its side's quota."""
    for origin, count in wanted.items():
        accepted = [r for r in rows if r["origin"] == origin and r["verdict"] == ACCEPTED]
        for row in accepted[count:]:
            row["verdict"] = NOT_NEEDED


def _accepted(rows: list[dict[str, Any]], origin: str) -> int:
    return sum(row["origin"] == origin and row["verdict"] == ACCEPTED for row in rows)


def _check_full(
    rows: list[dict[str, Any]], wanted: dict[Origin, int], settings: Generate, round: str
) -> None:
    lacking = {origin: n - _accepted(rows, origin) for origin, n in wanted.items()}
    if not any(lacking.values()):
        return
    why = Counter(row["verdict"] for row in rows if row["verdict"] != ACCEPTED)
    rejects = ", ".join(f"{count} {reason}" for reason, count in why.most_common())
    done = sum(row["verdict"] == ACCEPTED for row in rows)
    raise EmptyError(
        f"generate {round}: {done} of {settings.count} new instructions after {len(rows)} draws "
        f"(missing: {lacking['hard']} hard, {lacking['easy']} easy; rejected: {rejects}); lower "
        "generate.count, raise generate.novelty or generate.max_draws, or use more varied seeds"
    )


def _train_pool(draws: pl.DataFrame, round: str) -> pl.DataFrame:
    rows = [
        {
            "id": draft_id(row),
            "instruction": row["instruction"],
            "input": "",
            "system": row["system"],
            "origin": row["origin"],
            "parent": row["parent"],
            "round": round,
        }
        for row in draws.filter(verdict=ACCEPTED).iter_rows(named=True)
    ]
    return from_rows(rows, INSTRUCTION)
