"""The README.md of an exported dataset or model: metadata for the hub, and provenance."""

from dataclasses import dataclass
from typing import Any

import yaml

from lion.support.text import brief, table

POOLS = {"train_pool": "train_pool.jsonl", "cache_pool": "cache_pool.jsonl"}
PAIRS = {"preferences": "preferences.jsonl"}

_DATASET = """\
# Instructions of a Lion run, round {round}

Instructions with a teacher's answers, made by adversarial distillation (arXiv 2305.12870).
`train_pool` is what was new in round {round}, `cache_pool` every instruction up to it.

| field | meaning |
| --- | --- |
| `id` | hash of instruction, input, system and turns |
| `instruction`, `input` | the task; `input` may be empty |
| `system`, `turns` | its system prompt; the earlier turns as JSON; null or absent without any |
| `output`, `finish_reason` | the teacher's answer; `stop`: it is whole |
| `origin`, `parent` | seed, hard or easy; the id of the instruction that inspired it |
| `round` | whose train pool it joined |
| `model` | who wrote the answer |
| `messages` | system prompt, earlier turns, task and answer as a conversation |
| `examined`, `student_answer` | the last round that examined the row; the student's answer then |
| `teacher_score`, `student_score`, `gap` | the referee's mean scores, 1 to 10; their difference |
| `verdict` | hard, easy or unjudged |
| `judged_output` | the answer that the scores are of, if `output` was rewritten afterwards |
| `thoughts`, `student_thoughts` | what preceded both answers, if the run learnt thoughts |

`preferences` has {pairs} pairs in the form that TRL's DPO trainer reads: `chosen` is the teacher's
answer, as the referee saw it, and `rejected` the student's, where the teacher's score is higher.

{provenance}

{licence}
"""
_MODEL = """\
# Student of a Lion run, round {round}

A causal language model that learnt from a teacher's answers, round by round, by adversarial
distillation (arXiv 2305.12870). Relative quality: {quality}.

{provenance}

{licence}
"""
_LICENCE = """\
## Licence
The exporter named `{license}`. Before you share this, check the licence of the seeds and of the
base model, and the terms of the models that wrote answers and instructions: some forbid training
competing models on their output."""


@dataclass(frozen=True)
class Provenance:
    """The origin of pools and student, as the cards show it; None if unknown."""

    round: str
    commit: str | None
    license: str
    seeds: str
    seeds_sha256: str
    models: dict[str, str]  # by role, as params.yaml names them
    base: str
    tau: float
    replay: float
    rows: list[dict[str, Any]]  # of the cache pool: round, origin, rows
    quality: float | None  # percent
    pairs: int = 0  # preference pairs: the teacher scored higher than the student


def dataset_card(about: Provenance) -> str:
    """Return the README.md of the exported pools."""
    head = {
        "license": about.license,
        "task_categories": ["text-generation"],
        "tags": ["lion", "distillation", "synthetic"],
        "configs": [
            {"config_name": name, "data_files": file, "default": name == "cache_pool"}
            for name, file in (POOLS | (PAIRS if about.pairs else {})).items()
        ],
    }
    return _card(head, _DATASET, about)


def model_card(about: Provenance) -> str:
    """Return the README.md of the exported student."""
    head = {
        "license": about.license,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["lion", "distillation"],
    }
    return _card(head, _MODEL, about)


def _card(head: dict[str, Any], body: str, about: Provenance) -> str:
    quality = "not measured" if about.quality is None else f"{about.quality:.1f}% of the teacher's"
    filled = body.format(
        round=about.round,
        quality=quality,
        pairs=about.pairs,
        provenance=_provenance(about),
        licence=_LICENCE.format(license=about.license),
    )
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{filled}"


def _provenance(about: Provenance) -> str:
    models = [{"fact": role, "value": _code(model)} for role, model in about.models.items()]
    facts = [
        *models,
        {"fact": "base of the student", "value": _code(about.base)},
        {"fact": "seeds", "value": f"{_code(about.seeds)}, sha256 `{about.seeds_sha256}`"},
        {"fact": "tau", "value": f"{about.tau:g}"},
        {"fact": "rows learnt again, for each new one", "value": f"{about.replay:g}"},
        {"fact": "git commit", "value": _code(about.commit or "none")},
    ]
    counts = table(about.rows, ["round", "origin", "rows"], markdown=True)
    return f"## Provenance\n{table(facts, ['fact', 'value'], markdown=True)}\n\n{counts}"


def _code(text: str) -> str:
    """Format a parameter's value as code, so that Markdown in it has no effect."""
    return f"`{brief(text, 200).replace('`', '')}`".replace("|", "\\|")
