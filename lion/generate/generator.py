"""Generation: new instructions like hard ones, and rarer ones in the domains of easy ones."""

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from lion.chat import Reply
from lion.generate.drafts import Drafts, Draw, Urn, draws_for
from lion.generate.rules import CUT, REPEATS, fault
from lion.generate.sampling import Origin
from lion.params import Generate
from lion.params.pools import Rules
from lion.pools.contamination import Questions
from lion.pools.instructions import draft_id, stable_seed, task_texts
from lion.pools.novelty import NoveltyFilter
from lion.pools.tables import ACCEPTED, DRAW, INSTRUCTION, from_rows
from lion.pools.tokens import folded, word_count
from lion.prompts import unwrap
from lion.support.errors import EmptyError

CONTAMINATED = "repeats a question of the evaluation"
NOT_NEEDED = "one more than wanted"
TOO_SIMILAR = "too similar"
# What to change about the most frequent reason for rejection.
_ADVICE = {
    CUT: "raise generator.min_tokens and generator.tokens_per_word",
    TOO_SIMILAR: "use more varied seeds, raise generate.novelty",
}
_LONG = 8  # words of a system prompt that no task contains by chance


def quotas(settings: Generate, *, hard: int, easy: int) -> dict[Origin, int]:
    """Return how many rows to accept from each side; an empty side leaves its share to the other.

    No hard rows at all is the paper's equilibrium: the referee cannot tell student from teacher.
    EmptyError if both sides are empty.
    """
    if not hard and not easy:
        raise EmptyError(
            "generate: no hard or easy instruction can be a parent; check the referee's replies "
            "(or the losses, with sampling.by: loss)"
        )
    share = settings.hard_share if hard and easy else float(hard > 0)
    wanted = round(settings.count * share)
    return {"hard": wanted, "easy": settings.count - wanted}


def generate(
    sides: dict[Origin, pl.DataFrame],
    cache: pl.DataFrame,
    drafts: Drafts,
    *,
    settings: Generate,
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
        origin: Urn(origin, frame, random.Random(f"{seed} {round} {origin}"))
        for origin, frame in sides.items()
    }
    rows: list[dict[str, Any]] = []
    own = stable_seed("generator", seed, round)
    for wave in itertools.count(1):
        plan = {o: _due_and_likely(rows, o, wanted[o], settings.max_draws, wave) for o in urns}
        draws = [draw for o, urn in urns.items() for draw in urn.take(plan[o][0])]
        if not draws:
            break
        ahead = urns if drafts.ahead else {}
        further = [draw for o, urn in ahead.items() for draw in urn.peek(plan[o][1])]
        label = f"generate {round}, wave {wave}"
        replies = drafts.replies(draws, further, seed=own, label=label)
        rows += _judge(draws, replies, known, avoid, rules=settings.rules, start=len(rows))
        _keep_quotas(rows, wanted)
    _check_full(rows, wanted, settings, round)
    draws_table = from_rows(rows, DRAW)
    return _train_pool(draws_table, round), draws_table


def _judge(
    draws: Sequence[Draw],
    replies: Sequence[Reply],
    known: NoveltyFilter,
    avoid: Questions,
    *,
    rules: Rules,
    start: int,
) -> list[dict[str, Any]]:
    """Return a row (DRAW) for each draw, numbered from `start`; add accepted ones to `known`."""
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
            row |= {"verdict": TOO_SIMILAR, "nearest": match.id, "similarity": similarity}
    return rows


def _unmatched(draw: Draw, reply: Reply, avoid: Questions, rules: Rules) -> dict[str, Any]:
    """Return the row (DRAW) of a draw before the novelty check, without its number."""
    text = unwrap(reply.text)
    verdict, nearest = fault(reply, rules), None
    if verdict is None and draw.system and _repeats(draw.system, text):
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


def _repeats(system: str, text: str) -> bool:
    """Whether `text` is the system prompt, or contains it; a task may well contain a short one."""
    prompt, draft = (f" {' '.join(folded(part))} " for part in (system, text))
    return prompt == draft or (word_count(system) >= _LONG and prompt in draft)


def _due_and_likely(
    rows: list[dict[str, Any]], origin: str, wanted: int, max_draws: int, wave: int
) -> tuple[int, int]:
    """Return how many to draw next, and how many more will probably be drawn later.

    Draw the missing ones, within max_draws per wanted row. After max_draws waves each wave doubles,
    so that a few missing rows do not need a wave each.
    """
    drawn, accepted = sum(row["origin"] == origin for row in rows), _accepted(rows, origin)
    missing, left = wanted - accepted, max_draws * wanted - drawn
    due = min(missing << max(0, wave - max_draws), left)
    likely = min(draws_for(missing, accepted=accepted, drawn=drawn), left)
    return due, max(0, likely - due)


def _keep_quotas(rows: list[dict[str, Any]], wanted: dict[Origin, int]) -> None:
    """Reject accepted rows beyond their side's quota, which a large wave can bring."""
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
    verdicts = Counter(row["verdict"] for row in rows if row["verdict"] != ACCEPTED)
    why = dict(verdicts.most_common())
    rejects = ", ".join(f"{count} {reason}" for reason, count in why.items())
    advice = _ADVICE.get(next(iter(why)), "use another generator.model")
    done = sum(row["verdict"] == ACCEPTED for row in rows)
    raise EmptyError(
        f"generate {round}: {done} of {settings.count} new instructions after {len(rows)} draws "
        f"(missing: {lacking['hard']} hard, {lacking['easy']} easy; rejected: {rejects}); "
        f"{advice}, lower generate.count, or raise generate.max_draws"
    )


def _train_pool(draws: pl.DataFrame, round: str) -> pl.DataFrame:
    kept = draws.filter(verdict=ACCEPTED).select("instruction", "origin", "parent", "system")
    rows = [row | {"id": draft_id(row), "input": "", "round": round} for row in kept.to_dicts()]
    return from_rows(rows, INSTRUCTION)
