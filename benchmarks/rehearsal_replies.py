"""Replies of the fake provider of benchmarks.rehearsal in each role, built from real texts.

A reply depends only on the prompt and a digest of the request. A share of the replies is unreadable
in a way that suits the role: a cut answer, a verdict without scores, a refused draft.
"""

import re
from typing import Any

_CUT = " and so on" * 1000  # longer than any token limit
_NO_VERDICT = "Both answers have their merits, and it depends on what the user wants."
_REFUSAL = "I'm sorry, but I cannot help with that."
_REMARKS = (
    "It does what the task asks and gives the facts in a sensible order.",
    "It misses part of the question and stays vague where details are needed.",
    "It is correct in the main point, but an example would have helped the reader.",
    "It is short and to the point, though one statement is not quite right.",
)
_MARK = re.compile(r"\[([0-9a-f]{6,})\] Assistant 1: ")
_REPEATED = 0.22  # share of drafts that repeat the example almost word for word


class Replies:
    """Replies as teacher, referee, judge or generator; the system prompt tells which."""

    def __init__(self, rows: list[dict[str, Any]], *, unreadable: float) -> None:
        """`rows` are seeds with instruction and output; `unreadable` is a share, 0 to 1."""
        self._outputs = [str(row["output"]) or "None." for row in rows]
        self._instructions = [str(row["instruction"]).split() for row in rows]
        self._unreadable = round(unreadable * 2**16)

    def text(self, system: str, prompt: str, digest: bytes) -> str:
        """Return the reply to `prompt`; `digest` is the source of randomness, at least 16 bytes."""
        fails = int.from_bytes(digest[:2]) < self._unreadable
        pick = int.from_bytes(digest[2:8])
        if system.startswith("You write tasks"):
            return _REFUSAL if fails else self._draft(prompt, digest, pick)
        if system.startswith("You are a strict and impartial"):
            return _NO_VERDICT if fails else _verdict(prompt, digest)
        answer = self._outputs[pick % len(self._outputs)]
        return answer + _CUT if fails else answer

    def _draft(self, prompt: str, digest: bytes, pick: int) -> str:
        """Join halves of two instructions, or repeat the example with another last word."""
        example = _between(prompt, "<task ", "\n</task ").split()
        other = self._instructions[pick % len(self._instructions)]
        if int.from_bytes(digest[8:10]) < _REPEATED * 2**16:
            return " ".join([*example[:-1], other[-1]])
        more = self._instructions[int.from_bytes(digest[8:14]) % len(self._instructions)]
        return " ".join([*more[: (len(more) + 1) // 2], *other[len(other) // 2 :]])


def _verdict(prompt: str, digest: bytes) -> str:
    first = _points(_between(prompt, "<answer-1 ", "\n</answer-1 ")) + (digest[8] < 80)
    second = _points(_between(prompt, "<answer-2 ", "\n</answer-2 "))
    if match := _MARK.search(prompt):
        mark = f"[{match[1]}] Assistant"
        remarks = [f"About answer {n}: {_REMARKS[digest[8 + n] % 4]}" for n in (1, 2)]
        return "\n".join([*remarks, f"{mark} 1: {first}", f"{mark} 2: {second}"])
    mark = prompt.rpartition("the mark [")[2].partition("]")[0]
    return f"[{mark}] {first} {second}\n{_REMARKS[digest[9] % 4]}"


def _points(answer: str) -> int:
    """Score an answer from 2 to 9 by its length, give or take one point."""
    return 3 + min(len(answer) // 40, 5) + (sum(answer[:20].encode()) % 3 - 1)


def _between(text: str, opening: str, closing: str) -> str:
    """Return the text between the line of an opening tag and a closing tag."""
    start = text.find("\n", text.find(opening)) + 1
    return text[start : text.find(closing, start)]
