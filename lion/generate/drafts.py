"""Drafts of new instructions: drawn parents, and the generator's replies to them."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from lion.chat import Asks, Reply, Request
from lion.generate.sampling import Origin
from lion.params import Generator
from lion.pools.instructions import context_of, stable_seed, task_text
from lion.pools.tokens import length_in_words
from lion.prompts import Message, render

# Simulated for 6,000 rows of which 70% are accepted: two or three waves, 2% more requests.
_DEVIATIONS = 2.0
_MOST_TOKENS = 4096  # of a reply to a long instruction; many servers refuse a larger limit


@dataclass(frozen=True)
class Draw:
    """A drawn parent; `turn` counts how often this round has drawn it, from 1.

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


class Urn:
    """Draws parents of one side with replacement: first a group, then one of its rows."""

    def __init__(self, origin: Origin, frame: pl.DataFrame, rng: random.Random) -> None:
        self.origin = origin
        groups: dict[int, list[dict[str, Any]]] = {}
        for row in frame.iter_rows(named=True):
            groups.setdefault(row["group"], []).append(row)
        self.groups = [*groups.values()]
        self.rng = rng
        self.turns: Counter[str] = Counter()
        self._next: list[Draw] = []  # drawn but not yet taken

    def take(self, count: int) -> list[Draw]:
        """Draw the next `count` parents."""
        draws = self.peek(count)
        del self._next[:count]
        return draws

    def peek(self, count: int) -> list[Draw]:
        """Return the draws that `take` will return."""
        while len(self._next) < count:
            [parents] = self.rng.choices(self.groups)
            [row] = self.rng.choices(parents)
            parent, text = row["id"], task_text(row["instruction"], row["input"])
            self.turns[parent] += 1
            context = context_of(row)
            self._next.append(Draw(self.origin, parent, text, self.turns[parent], context))
        return self._next[:count]


class Drafts:
    """Asks the generator for drafts.

    With `ahead` it also asks for those that later waves will probably need. Where a wave is slow,
    as a batch is, three large waves then replace many small ones. The drafts, and the rows that
    follow from them, are the same; the few that turn out not to be needed also cost money.
    """

    def __init__(self, chat: Asks, asking: Generator, *, ahead: bool = False) -> None:
        self.ahead = ahead
        self._chat, self._asking = chat, asking
        self._replies: dict[tuple[str, str, int, int], Reply] = {}

    def replies(
        self, draws: Sequence[Draw], further: Sequence[Draw], *, seed: int, label: str
    ) -> list[Reply]:
        """Return the replies to `draws`; request those to `further` in the same wave."""
        keys = {(draw.origin, draw.parent, draw.turn, seed): draw for draw in (*draws, *further)}
        # If nothing is missing, leave `further` to the next wave, which knows more.
        asked = [key for key in [*keys][: len(draws)] if key not in self._replies]
        if asked:
            asked += [key for key in [*keys][len(draws) :] if key not in self._replies]
            requests = [_request(keys[key], self._asking, seed) for key in asked]
            self._replies |= zip(asked, self._chat.ask(requests, label=label), strict=True)
        return [self._replies[key] for key in [*keys][: len(draws)]]


def draws_for(missing: int, *, accepted: int, drawn: int) -> int:
    """Return how many draws almost certainly yield `missing` accepted rows.

    `accepted` of `drawn` earlier draws were accepted; if none was, return `missing` itself.
    """
    if not accepted or not missing:
        return missing
    share, z = accepted / drawn, _DEVIATIONS
    middle = share + z * z / (2 * drawn)
    half = z * math.sqrt(share * (1 - share) / drawn + (z / (2 * drawn)) ** 2)
    low = (middle - half) / (1 + z * z / drawn)  # lower end of Wilson's interval
    return math.ceil((missing + z * math.sqrt(missing * (1 - low))) / low)


def reply_limit(asking: Generator, words: int) -> int:
    """Return the token limit of a reply to an instruction of so many words."""
    return max(asking.min_tokens, min(asking.tokens_per_word * words, _MOST_TOKENS))


def _request(draw: Draw, asking: Generator, seed: int) -> Request:
    """Build the request for `draw`; `seed` is the round's own.

    Because each round has another seed, a parent drawn again gets a new draft, not a stored one.
    """
    return Request(
        id=draw.parent,
        messages=(
            render("generator_hard.txt", context=draw.context, task=draw.text)
            if draw.origin == "hard"
            else render("generator_easy.txt", context=draw.context, task=draw.text)
        ),
        temperature=asking.temperature,
        max_tokens=reply_limit(asking, length_in_words(draw.text)),
        seed=stable_seed(seed, draw.parent, draw.turn),
    )
