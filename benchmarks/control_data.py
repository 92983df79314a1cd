"""Data of the control: two task mixes, two sets of questions, and the oracle in this process."""

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from lion.chat import Reply, Request
from lion.oracle.app import MODEL, create_app
from lion.oracle.families import FAMILIES
from lion.oracle.make_data import THRESHOLD, new_row, zipf
from lion.params import Oracle
from lion.pools.instructions import instruction_id
from lion.pools.novelty import NoveltyFilter
from lion.pools.seeds import read_seeds
from lion.pools.tables import INSTRUCTION, QUESTION, from_rows

MIXES = ("zipf", "even")
QUESTIONS = 960  # per set: 60 per family in the even one


def seeds_of(mix: str, path: str) -> pl.DataFrame:
    """Return train pool r0: the shipped seeds (families by Zipf's law), or as many, evenly."""
    shipped = read_seeds(Path(path)).frame
    rows = shipped.rows(named=True)
    if mix == "even":
        rng = random.Random("even seeds")
        known = NoveltyFilter([], [], threshold=THRESHOLD)
        families = [FAMILIES[n % len(FAMILIES)] for n in range(shipped.height)]
        rows = [new_row(rng, family, known) for family in families]
    return from_rows(
        [
            {**row, "id": instruction_id(row["instruction"], row["input"])}
            | {"origin": "seed", "parent": None, "round": "r0"}
            for row in rows
        ],
        INSTRUCTION,
    )


def questions_of() -> dict[str, pl.DataFrame]:
    """Return two question sets: all families equally frequent, and as frequent as in the seeds."""
    rng = random.Random("questions")
    evenly = [FAMILIES[n % len(FAMILIES)] for n in range(QUESTIONS)]
    sets = {}
    for name, families in (("even", evenly), ("zipf", zipf(rng, QUESTIONS))):
        known = NoveltyFilter([], [], threshold=THRESHOLD)
        rows = [{**new_row(rng, family, known), "category": family.name} for family in families]
        sets[name] = from_rows(
            [{**row, "id": instruction_id(row["instruction"], row["input"])} for row in rows],
            QUESTION,
        )
    return sets


class DirectChat:
    """A chat with the in-process oracle, without client or store: the same replies, faster.

    `spent` counts requests, prompt tokens and completion tokens by the first word of the label:
    teach, referee or generate, and judge or questions for the evaluation. As with a store, a
    repeated request costs nothing until `reset`.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.spent: dict[str, tuple[int, int, int]] = {}
        self._replies: dict[bytes, Reply] = {}
        self._app = create_app(position_bias=oracle.position_bias, unreadable=oracle.unreadable)

    def reset(self) -> None:
        """Forget all replies and what they cost."""
        self.spent.clear()
        self._replies.clear()

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        """Return a reply to each request."""
        bodies = [_body(request) for request in requests]
        new = asyncio.run(
            self._all([body for body in dict.fromkeys(bodies) if body not in self._replies])
        )
        word = label.split()[0].rstrip(",")
        before = self.spent.get(word, (0, 0, 0))
        prompt = sum(reply.prompt_tokens for reply in new)
        completion = sum(reply.completion_tokens for reply in new)
        self.spent[word] = (before[0] + len(new), before[1] + prompt, before[2] + completion)
        return [self._replies[body] for body in bodies]

    async def _all(self, bodies: Sequence[bytes]) -> list[Reply]:
        new = [await self._reply(body) for body in bodies]
        self._replies |= zip(bodies, new, strict=True)
        return new

    async def _reply(self, content: bytes) -> Reply:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content}

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions"}
        await self._app(scope, receive, send)
        body = json.loads(sent[1]["body"])
        choice, usage = body["choices"][0], body["usage"]
        return Reply(
            text=choice["message"]["content"],
            finish_reason=choice["finish_reason"],
            model=body["model"],
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
        )


def _body(request: Request) -> bytes:
    asked = {
        "model": MODEL,
        "messages": request.messages,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
    }
    return json.dumps(asked).encode()
