"""Export, import and deletion of stored replies."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from lion.chat.store import Store
from lion.chat.types import STORED, Caller, Reply
from lion.support.errors import InputError

_ASKER = "l.stage, l.role, l.round, l.endpoint, l.model, l.mode"
_REPLY = (
    "r.text, r.finish_reason, r.model, r.prompt_tokens, r.completion_tokens, r.reasoning_tokens,"
    " r.received, r.seconds, r.cached_tokens"
)
Count = Annotated[int, Field(ge=0, lt=2**40)]


class Line(BaseModel):
    """A stored reply as a line of JSON; `asked` is the requested model, `model` the actual one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    stage: str
    role: str
    round: str
    endpoint: str
    asked: str
    mode: str
    text: str
    finish_reason: str
    model: str
    prompt_tokens: Count
    completion_tokens: Count
    reasoning_tokens: Count
    received: FiniteFloat
    seconds: FiniteFloat
    cached_tokens: Count = 0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A filter of replies; a field that is None matches all of them."""

    stage: str | None = None
    role: str | None = None
    round: str | None = None
    model: str | None = None
    older_than: float | None = None  # days

    def where(self) -> tuple[str, list[Any]]:
        """Return an SQL condition on `replies r JOIN ledger l`, and its parameters."""
        named = {"stage": self.stage, "role": self.role, "round": self.round, "model": self.model}
        parts = [f"l.{name} = ?" for name, value in named.items() if value is not None]
        values: list[Any] = [value for value in named.values() if value is not None]
        if self.older_than is not None:
            parts.append("r.received < ?")
            values.append(time.time() - self.older_than * 86_400)
        return " AND ".join(parts) or "1", values


def export_lines(store: Store, choice: Choice) -> Iterator[str]:
    """Yield the chosen replies as lines of JSON, in the order of their keys."""
    where, values = choice.where()
    query = (
        f"SELECT r.key, {_ASKER}, {_REPLY} FROM replies r JOIN ledger l ON l.id = r.entry"
        f" WHERE {where} ORDER BY r.key"
    )
    with store.reading() as db:
        for key, *rest in db.execute(query, values):
            row = dict(zip(Line.model_fields, (key.hex(), *rest), strict=True))
            yield Line.model_construct(**row).model_dump_json()


def import_lines(store: Store, lines: Iterable[bytes], *, name: str) -> tuple[int, int]:
    """Add the replies in `lines`, all or none; return how many are new, and how many were known.

    They were paid for elsewhere, so the ledger does not count them. InputError names the bad line.
    """
    read = new = 0
    with store.writing():
        for number, text in enumerate(lines, start=1):
            line = _line(text.rstrip(b"\n"), f"{name}, line {number}")
            caller = Caller(line.stage, line.role, line.round, line.endpoint, line.asked, line.mode)
            entry = store.entry_in_transaction(caller)
            reply = Reply(**{name: getattr(line, name) for name in STORED})
            key = bytes.fromhex(line.key)
            read += 1
            new += store.add_in_transaction(key, entry, reply, line.received, line.seconds)
    return new, read - new


def count(store: Store, choice: Choice) -> int:
    """Count the chosen replies."""
    where, values = choice.where()
    query = f"SELECT count(*) FROM replies r JOIN ledger l ON l.id = r.entry WHERE {where}"
    with store.reading() as db:
        return int(db.execute(query, values).fetchone()[0])


def prune(store: Store, choice: Choice) -> int:
    """Delete the chosen replies and return how many; their cost stays in the ledger."""
    where, values = choice.where()
    chosen = f"SELECT r.key FROM replies r JOIN ledger l ON l.id = r.entry WHERE {where}"
    with store.writing() as db:
        gone = db.execute(f"DELETE FROM replies WHERE key IN ({chosen})", values).rowcount
    with store.reading() as db:
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return gone


def finish_reasons(store: Store) -> dict[str, int]:
    """Count replies by their finish reason; empty replies are counted separately."""
    query = (
        "SELECT CASE text WHEN '' THEN 'empty, ' ELSE '' END || finish_reason, count(*)"
        " FROM replies GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    with store.reading() as db:
        return dict(db.execute(query).fetchall())


def _line(text: bytes, where: str) -> Line:
    try:
        return Line.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"])) or "the line"
        raise InputError(f"{where}: {key}: {fault['msg']}") from None
