"""An instruction's id, and its text as every prompt shows it."""

import hashlib
import json

import polars as pl


def instruction_id(instruction: str, input: str) -> str:
    """Return the hash of an instruction's content, as 16 hex digits."""
    text = json.dumps([instruction, input], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def task_text(instruction: str, input: str) -> str:
    """Join an instruction and its input, as every prompt shows them."""
    return f"{instruction}\n\n{input}" if input else instruction


def task_texts(pool: pl.DataFrame) -> list[str]:
    """Return the task texts of a pool with columns instruction and input, in its order."""
    return [task_text(*row) for row in pool.select("instruction", "input").iter_rows()]


def stable_seed(*parts: object) -> int:
    """Return a 31-bit seed that depends only on `parts`, equal on every machine."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
