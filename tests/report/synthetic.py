"""Synthetic runs' folders, with the real schemas, small or as large as the paper's."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lion.discriminate.scores import ORDERS, discriminate, score
from lion.pools.instructions import instruction_id
from lion.pools.tables import (
    ACCEPTED,
    ANSWER,
    ANSWERED,
    DRAW,
    INSTRUCTION,
    LOSS,
    QUESTION,
    REVIEW,
    SCORE,
    VERDICT,
    Schema,
    from_rows,
    write_table,
)

Row = dict[str, Any]

# Each would set window.pwned, or reorder the text around it, if the page allowed that.
NASTY = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 2</script>",
    '<img src=x onerror="window.pwned = 3">',
    "<svg onload='window.pwned = 4'><a href=\"javascript:window.pwned = 5\">click</a></svg>",
    "[click](javascript:window.pwned=6) <iframe srcdoc='<script>parent.pwned=7</script>'></iframe>",
    "<!--<script> and ]]> and </style><style>body{display:none}</style> {{ 7 * 7 }}",
    "\u202eesrever si siht\u202c, \u2066isolated\u2069, no\u200bwidth, line\u2028end, bell\x07",
)
_VERBS = ("Write", "Explain", "List", "Reverse", "Translate", "Compare", "Count", "Rewrite")
_WORDS = ("river", "stone", "lamp", "cloud", "paper", "mirror", "garden", "winter", "copper")


class _Maker:
    """Writes one run's tables below `root`, in the places that dvc.yaml names."""

    def __init__(self, root: Path, *, seed: int, nasty: bool, words: int) -> None:
        self.data = root / "data"
        self.rng = random.Random(seed)
        self.nasty = nasty
        self.words = words
        self.pool: list[Row] = []
        self.skill = 3.0

    def text(self, length: int) -> str:
        words = " ".join(self.rng.choices(_WORDS, k=length))
        return f"{self.rng.choice(NASTY)} {words}" if self.nasty else words

    def write(self, place: str, rows: list[Row], schema: Schema) -> pl.DataFrame:
        frame = from_rows(rows, schema)
        write_table(self.data / place, frame, schema)
        return frame

    def instructions(self, name: str, count: int) -> list[Row]:
        """Return new instructions: seeds in r0, then children of those in the pool."""
        rows = []
        for _ in range(count):
            text = f"{self.rng.choice(_VERBS)} {self.text(self.rng.randint(6, 14))}"
            given = self.text(5) if self.rng.random() < 0.2 else ""
            rows.append(
                {
                    "id": instruction_id(text, given),
                    "input": given,
                    "instruction": text,
                    "origin": "seed" if name == "r0" else self.rng.choice(["hard", "easy"]),
                    "parent": self.rng.choice(self.pool)["id"] if self.pool else None,
                    "round": name,
                }
            )
        return rows

    def answer(self, row: Row) -> Row:
        return {
            "answer": self.text(self.rng.randint(self.words // 2, self.words)),
            "completion_tokens": 20,
            "finish_reason": "stop",
            "id": row["id"],
            "model": "fake",
            "prompt_tokens": 30,
        }

    def reviews(self, rows: list[Row], *, readable: float = 0.98) -> list[Row]:
        """Return reviews of all pairs in both orders; the teacher gains 0.3 points if first."""
        told = []
        for order in ORDERS:
            for row in rows:
                teacher = min(10.0, 8.5 + 0.3 * (order == "teacher_first"))
                student = 1 + (8 * self.rng.random() ** (3 / self.skill))
                known = self.rng.random() < readable
                told.append(
                    {
                        "attempt": 0,
                        "completion_tokens": 40,
                        "id": row["id"],
                        "model": "fake",
                        "order": order,
                        "prompt_tokens": 90,
                        "reply": f"{self.text(self.words)}\nAssistant 1: {teacher}",
                        "student": round(student, 1) if known else None,
                        "teacher": round(teacher, 1) if known else None,
                    }
                )
        return told

    def draws(self, new: list[Row]) -> list[Row]:
        rows = []
        for row in new:
            similar = self.rng.random() < 0.1
            if similar:
                rows.append((row, "too similar", row["id"], 0.81))
            elif self.rng.random() < 0.05:
                rows.append((row, "three words or fewer", None, None))
            rows.append((row, ACCEPTED, None, None))
        return [
            {
                "draw": number,
                "instruction": row["instruction"],
                "nearest": nearest,
                "origin": row["origin"],
                "parent": row["parent"],
                "similarity": similarity,
                "verdict": verdict,
            }
            for number, (row, verdict, nearest, similarity) in enumerate(rows)
        ]

    def examine(self, name: str, tau: float) -> None:
        """Write the previous round's student's answers to the whole cache pool, and the scores."""
        self.write(f"responses/{name}.jsonl", [self.answer(row) for row in self.pool], ANSWER)
        reviews = self.write(f"reviews/{name}.jsonl", self.reviews(self.pool), REVIEW)
        write_table(
            self.data / f"scores/{name}.parquet", discriminate(score(reviews), tau=tau), VERDICT
        )

    def evaluate(self, name: str, questions: list[Row]) -> None:
        self.write(
            f"evaluation/{name}/responses.jsonl", [self.answer(row) for row in questions], ANSWER
        )
        reviews = self.write(f"evaluation/{name}/reviews.jsonl", self.reviews(questions), REVIEW)
        write_table(self.data / f"evaluation/{name}/scores.parquet", score(reviews), SCORE)

    def questions(self, count: int) -> list[Row]:
        rows = []
        for number in range(count):
            text = f"Question {number}: {self.text(6)}"
            category = self.text(1) if self.nasty else f"kind {number % 5}"
            rows.append(
                {
                    "category": category,
                    "id": instruction_id(text, ""),
                    "input": "",
                    "instruction": text,
                }
            )
        self.write("questions/evaluate.jsonl", rows, QUESTION)
        self.write("answers/questions.jsonl", [self.answer(row) for row in rows], ANSWER)
        return rows

    def replayed(self, count: int) -> list[Row]:
        """Return rows of the cache pool that are replayed."""
        return [row | {"answer": "yes", "finish_reason": "stop"} for row in self.pool[:count]]

    def losses(self, name: str, steps: int) -> None:
        rows = [
            {"step": step, "loss": 1 + 1 / step, "learning_rate": 1e-3, "grad_norm": 1.0}
            | {"tokens": 500}
            for step in range(1, steps + 1)
        ]
        self.write(f"losses/{name}.jsonl", rows, LOSS)


@dataclass(frozen=True)
class Size:
    """The size of a run: `new` is instructions per round, `words` the most words of an answer."""

    rounds: int = 4
    seeds: int = 60
    new: int = 20
    questions: int = 20
    words: int = 30


def make_run(
    root: Path, size: Size | None = None, *, nasty: bool = False, seed: int = 1, tau: float = 1.0
) -> Path:
    """Write a synthetic run of this size to `root`, and return `root`."""
    size = size or Size()
    maker = _Maker(root, seed=seed, nasty=nasty, words=size.words)
    asked = maker.questions(size.questions)
    for number in range(size.rounds):
        name = f"r{number}"
        rows = maker.instructions(name, size.new if number else size.seeds)
        if number:
            maker.examine(name, tau)
            maker.write(f"draws/{name}.jsonl", maker.draws(rows), DRAW)
        maker.write(f"pools/train/{name}.jsonl", rows, INSTRUCTION)
        maker.write(f"answers/{name}.jsonl", [maker.answer(row) for row in rows], ANSWER)
        maker.losses(name, 40)
        maker.write(f"replays/{name}.parquet", maker.replayed(9), ANSWERED)
        maker.skill += 1
        maker.evaluate(name, asked)
        maker.pool += rows
    return root
