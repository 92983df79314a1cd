"""Export, import and deletion of stored replies."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from lion.chat.database import rows_of
from lion.chat.store import Store
from lion.chat.types import STORED, Caller, Reply
from lion.support.errors import InputError

_FROM = "FROM replies r JOIN ledger l ON l.id = r.entry WHERE"
_CALLER = "l.stage, l.role, l.round, l.endpoint, l.model AS asked, l.mode"
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
        values = {
            f"l.{name} =": getattr(self, name) for name in ("stage", "role", "round", "model")
        }
        if self.older_than is not None:
            values["r.received <"] = time.time() - self.older_than * 86_400
        chosen = {part: value for part, value in values.items() if value is not None}
        return " AND ".join(f"{part} ?" for part in chosen) or "1", list(chosen.values())


def export_lines(store: Store, choice: Choice) -> Iterator[str]:
    """Yield the chosen replies as lines of JSON, in the order of their keys."""
    where, values = choice.where()
    query = f"SELECT {_CALLER}, r.* {_FROM} {where} ORDER BY r.key"
    with store.reading() as db:
        for row in rows_of(db.execute(query, values)):
            row["key"] = row["key"].hex()
            named = {name: row[name] for name in Line.model_fields}
            yield Line.model_construct(**named).model_dump_json()


def import_lines(store: Store, lines: Iterable[bytes], *, name: str) -> tuple[int, int]:
    """Add the replies in `lines`, all or none; return how many are new, and how many were known.

    They were paid for elsewhere, so the ledger does not count them. InputError names the bad line.
    """
    new = number = 0
    with store.writing():
        for number, text in enumerate(lines, start=1):
            line = _line(text.rstrip(b"\n"), f"{name}, line {number}")
            caller = Caller(line.stage, line.role, line.round, line.endpoint, line.asked, line.mode)
            entry = store.entry(caller)
            reply = Reply(**{name: getattr(line, name) for name in STORED})
            key = bytes.fromhex(line.key)
            new += store.add(key, entry, reply, line.received, line.seconds)
    return new, number - new


def count(store: Store, choice: Choice) -> int:
    """Count the chosen replies."""
    where, values = choice.where()
    with store.reading() as db:
        return int(db.execute(f"SELECT count(*) {_FROM} {where}", values).fetchone()[0])


def prune(store: Store, choice: Choice) -> int:
    """Delete the chosen replies and return how many; their cost stays in the ledger."""
    where, values = choice.where()
    query = f"DELETE FROM replies WHERE key IN (SELECT r.key {_FROM} {where})"
    with store.writing() as db:
        gone = db.execute(query, values).rowcount
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
