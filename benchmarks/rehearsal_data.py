"""The project that benchmarks.rehearsal runs: this code, the paper's settings, seeds, a student."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from tests.pipeline.mini import copy_code
from tests.repository import ROOT, begin

QUESTIONS = 80  # as many as the Vicuna questions
_SHARE = 9_000 / 52_000  # of the seeds are real rows; the others join halves of two of these
_WORDS = 1_000  # vocabulary of the miniature student's tokenizer
_WIDTH = 32
_TRIES = 100  # pairs joined for each seed at most
_LONGEST = 2_048  # tokens of a prompt with its answer
SEEDS = "data/seeds/rehearsal.json"
ASKED = "data/eval/rehearsal.jsonl"


def make_project(root: Path, alpaca: Path, *, seeds: int, rounds: int, count: int) -> None:
    """Create the project in `root`; its `seeds` are varied from the rows of the file `alpaca`."""
    copy_code(root)
    rows = json.loads(alpaca.read_text(encoding="utf-8"))
    for place in (SEEDS, ASKED):
        (root / place).parent.mkdir(parents=True)
    made = varied(rows[:-QUESTIONS], seeds)
    (root / SEEDS).write_text(json.dumps(made, indent=1), encoding="utf-8")
    lines = (
        json.dumps({name: row[name] for name in ("instruction", "input")})
        for row in rows[-QUESTIONS:]
    )
    (root / ASKED).write_text("\n".join(lines) + "\n", encoding="utf-8")
    _write_student(root / "data/base", made)
    write_params(root, rounds=rounds, count=count)
    begin(root)


def varied(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return `count` different seeds, a fixed share of them real rows; the same on each run.

    Each of the others joins the first half of one instruction to the second half of another, and
    takes the other's input and output: close enough to both to give the novelty filter work.
    """
    real = rows[: max(2, round(count * _SHARE))]
    rng = random.Random(1)
    seeds = {(row["instruction"], row["input"]): row for row in real[:count]}
    for _ in range(_TRIES * count):
        if len(seeds) == count:
            break
        first, second = (rng.choice(real) for _ in range(2))
        words, more = first["instruction"].split(), second["instruction"].split()
        text = " ".join(words[: (len(words) + 1) // 2] + more[len(more) // 2 :])
        if text:
            seeds.setdefault((text, second["input"]), second | {"instruction": text})
    if len(seeds) < count:
        raise ValueError(f"{len(rows)} rows are too few or too alike to vary into {count:,} seeds")
    return list(seeds.values())


def _write_student(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write a Llama of two layers whose tokenizer knows the most frequent words of the rows."""
    from tests.student.tiny import make_tokenizer, write_tiny  # torch takes long to load

    folder.parent.mkdir(parents=True, exist_ok=True)
    texts = (f"{row['instruction']} {row['output']}" for row in rows)
    words = Counter(word for text in texts for word in text.split())
    tokenizer = make_tokenizer(more=[word for word, _ in words.most_common(_WORDS)])
    write_tiny(folder, tokenizer, width=_WIDTH, max_position_embeddings=_LONGEST)


def write_params(root: Path, *, rounds: int, count: int) -> None:
    """Write the paper's settings, except for models, student, machine and size."""
    params = yaml.safe_load((ROOT / "presets/paper.yaml").read_text(encoding="utf-8"))
    machine = {"answer_batch": 256, "threads": None, "checkpoint_steps": 50, "micro_batch": 32}
    params |= {
        "seeds": SEEDS,
        "model": "rehearsal",
        "rounds": {f"r{number}": f"r{number - 1}" for number in range(1, rounds + 1)},
        "compute": machine,
        "endpoints": {"default": {"concurrency": 64, "timeout": 120}},
    }
    params["judge"]["model"] = "rehearsal-judge"
    # Hot and not too short, so that few answers are repeated, which the store would judge for free.
    params["student"] |= {"base": "data/base", "revision": None, "max_tokens": 8}
    params["student"]["temperature"] = 1.5
    # At the paper's learning rate, this small student would give the same answers every round.
    params["imitate"]["learning_rate"] = 1e-3
    params["generate"]["count"] = count
    params["evaluate"]["questions"] = ASKED
    text = yaml.safe_dump(params, sort_keys=False)
    (root / "params.yaml").write_text(text, encoding="utf-8")
