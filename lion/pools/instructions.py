"""An instruction's id, its text as every prompt shows it, and its context.

An instruction may have a system prompt (column `system`) and earlier turns of its conversation
(column `turns`, a JSON list of messages). Both are part of its id, and most instructions have none.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import polars as pl

from lion.prompts import Message

# The input of a model: a text, or a conversation whose last message is the user's.
Task: TypeAlias = str | tuple[Message, ...]


def instruction_id(
    instruction: str, input: str, system: str | None = None, turns: str | None = None
) -> str:
    """Return the hash of an instruction's content, as 16 hex digits."""
    texts = [instruction, input, *([system or "", turns or ""] if system or turns else [])]
    text = json.dumps(texts, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def draft_id(row: Mapping[str, Any]) -> str:
    """Return the id of an instruction that the generator wrote, from a row of its drafts (DRAW)."""
    return instruction_id(row["instruction"], "", row["system"])


def task_text(instruction: str, input: str) -> str:
    """Join an instruction and its input, as every prompt shows them."""
    return f"{instruction}\n\n{input}" if input else instruction


def task_texts(pool: pl.DataFrame) -> list[str]:
    """Return the task texts of a pool with columns instruction and input, in its order.

    Novelty and topics use these texts alone, since many instructions may share a system prompt.
    """
    return [task_text(*row) for row in pool.select("instruction", "input").iter_rows()]


def turns_text(turns: Sequence[Message]) -> str | None:
    """Return earlier turns as JSON, for the column `turns`; None without any."""
    return json.dumps(list(turns), ensure_ascii=False) if turns else None


def context_of(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the messages before an instruction: its system prompt and its earlier turns."""
    system = row.get("system")
    first = [{"role": "system", "content": system}] if system else []
    return (*first, *json.loads(row.get("turns") or "[]"))


def task_of(row: Mapping[str, Any]) -> Task:
    """Return an instruction's task: its text alone, or as a conversation if it has a context."""
    text = task_text(row["instruction"], row["input"])
    context = context_of(row)
    return (*context, {"role": "user", "content": text}) if context else text


def tasks_of(pool: pl.DataFrame) -> list[Task]:
    """Return the task of each row of `pool`, in its order."""
    return [task_of(row) for row in pool.iter_rows(named=True)]


def messages_of(task: Task) -> tuple[Message, ...]:
    """Return a task as chat messages."""
    return ({"role": "user", "content": task},) if isinstance(task, str) else task


def flat_text(task: Task) -> str:
    """Return a task as one text, for models without conversations; turns name their speaker.

    A system prompt without turns goes above the task, without a name.
    """
    messages = messages_of(task)
    roles = [message["role"] for message in messages]
    names = {"user": "User: ", "assistant": "Assistant: "} if "assistant" in roles else {}
    return "\n\n".join(names.get(m["role"], "") + m["content"] for m in messages)


def conversation_text(row: Mapping[str, Any]) -> str:
    """Return an instruction's task with its earlier turns and without its system prompt."""
    task = task_of({**row, "system": None})
    return "\n\n".join(message["content"] for message in messages_of(task))


def stable_seed(*parts: object) -> int:
    """Return a 31-bit seed that depends only on `parts`, the same on every machine."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
