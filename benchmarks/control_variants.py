"""The variants of the control, and the comparisons between them."""

from typing import Any

Changes = dict[str, Any]

START = "round-0"  # shared by all variants of a seed
# Train once on the seeds alone, for about as many steps as the whole loop.
SEEDS_ONLY = ("seeds-only", "replay-seeds-only")
# Rows of replay-few from before 2026-11-30, when rows without a verdict could not be parents.
EARLIER = "replay-few-earlier"

_CHANCE: Changes = {"sampling.by": "chance"}
_CLUSTERS: Changes = {"sampling.over": "clusters"}
_HARD_ONLY: Changes = {"generate.hard_share": 1.0}
_FREE: Changes = {"examine.rows": 0}
_LOSS: Changes = _FREE | {"examine.loss": True, "sampling.by": "loss"}
_SECOND: Changes = {"examine.second_order": 1.0}
_ANCHORED: Changes = {"anchor": 1.0, "learning_rate": 2.0e-4}


# As in the paper: each round's train pool replaces the previous one.
_REPLACED: dict[str, Changes] = {
    "referee-rows": {},
    "chance-rows": _CHANCE,
    "referee-clusters": _CLUSTERS,
    "chance-clusters": _CLUSTERS | _CHANCE,
    "seeds-only": {"imitate.epochs": 22},
}
# For each new row, the student trains again on one row of earlier rounds.
_REPLAYED: dict[str, Changes] = {
    "replay-referee-rows": {},
    "replay-chance-rows": _CHANCE,
    "replay-referee-clusters": _CLUSTERS,
    "replay-chance-clusters": _CLUSTERS | _CHANCE,
    "replay-hard-only": _HARD_ONLY,
    "replay-chance-hard-only": _HARD_ONLY | _CHANCE,
    "replay-clusters-hard-only": _CLUSTERS | _HARD_ONLY,
    "replay-chance-clusters-hard-only": _CLUSTERS | _HARD_ONLY | _CHANCE,
    # Fewer verdicts, or none.
    "replay-sample-quarter": {"examine.rows": 0.25},
    "replay-sample-tenth": {"examine.rows": 0.1},
    "replay-second-order": _SECOND,
    "replay-until-hard": {"examine.hard": 300},  # as many as the wanted children of hard rows
    "replay-few": _SECOND | {"examine.rows": 450, "examine.hard": 300},
    "replay-chance-free": _FREE | _CHANCE,
    # The money of all verdicts, spent on new instructions instead.
    "replay-chance-free-many": _FREE | _CHANCE | {"generate.count": 4500},
    "replay-loss-rows": _LOSS,
    "replay-loss-top-fifth": _LOSS | {"sampling.top": 0.2},
    "replay-loss-clusters": _LOSS | _CLUSTERS,
    "replay-loss-hard-only": _LOSS | _HARD_ONLY,
    "replay-loss-clusters-hard-only": _LOSS | _CLUSTERS | _HARD_ONLY,
    "replay-seeds-only": {"imitate.epochs": 34},
    "replay-contrast": {"imitate.contrast": {}},
    "replay-contrast-other": {"imitate.contrast": {"wrong": "other"}},
    "replay-contrast-anchor": {"imitate.contrast": _ANCHORED},
    "replay-contrast-anchor-other": {"imitate.contrast": _ANCHORED | {"wrong": "other"}},
    # Imitation of about as many tokens as the contrast computes (its pairs count twice).
    "replay-contrast-tokens": {"replay": 1.35},
    # The offline teacher is always right, so in both of these rewriting replays hard rows.
    "replay-rewrite": {"rewrite.share": 0.25},
    "replay-rewrite-blind": {"rewrite.share": 0.25, "rewrite.blind": True},
}
# The parameters that each variant changes; all others come from params.yaml.
VARIANTS: dict[str, Changes] = {
    **{name: {"replay": 0.0} | changes for name, changes in _REPLACED.items()},
    **{name: {"replay": 1.0} | changes for name, changes in _REPLAYED.items()},
}

# Each comparison: a variant against its reference. With replay, chance is played without verdicts
# (replay-chance-free): chance does not look at them, so its figures equal those of
# replay-chance-rows.
CONTRASTS: dict[str, tuple[str, str]] = {
    "the loop against its start": ("referee-rows", START),
    "the loop against seeds only": ("referee-rows", "seeds-only"),
    "referee against chance, rows": ("referee-rows", "chance-rows"),
    "referee against chance, clusters": ("referee-clusters", "chance-clusters"),
    "clusters against rows, referee": ("referee-clusters", "referee-rows"),
    "clusters against rows, chance": ("chance-clusters", "chance-rows"),
    "replay: the loop against its start": ("replay-referee-rows", START),
    "replay: the loop against seeds only": ("replay-referee-rows", "replay-seeds-only"),
    "replay: against none": ("replay-referee-rows", "referee-rows"),
    "replay: referee against chance": ("replay-referee-rows", "replay-chance-free"),
    "replay, clusters: referee against chance": (
        "replay-referee-clusters",
        "replay-chance-clusters",
    ),
    "replay, hard only: referee against chance": ("replay-hard-only", "replay-chance-hard-only"),
    "replay, hard only, clusters: referee against chance": (
        "replay-clusters-hard-only",
        "replay-chance-clusters-hard-only",
    ),
    "replay: hard only against 1:1": ("replay-hard-only", "replay-referee-rows"),
    "replay: hard only against no verdicts": ("replay-hard-only", "replay-chance-free"),
    "replay: hard only against the paper's rule": ("replay-hard-only", "referee-rows"),
    "a quarter of the rows judged": ("replay-sample-quarter", "replay-referee-rows"),
    "a tenth of the rows judged": ("replay-sample-tenth", "replay-referee-rows"),
    "the second order only where it matters": ("replay-second-order", "replay-referee-rows"),
    "verdicts until enough are hard": ("replay-until-hard", "replay-referee-rows"),
    "few verdicts: against all verdicts": ("replay-few", "replay-referee-rows"),
    "few verdicts: against chance": ("replay-few", "replay-chance-free"),
    "few verdicts: against the paper's rule": ("replay-few", "referee-rows"),
    "few verdicts, earlier rule: against all verdicts": (EARLIER, "replay-referee-rows"),
    "few verdicts, earlier rule: against chance": (EARLIER, "replay-chance-free"),
    "few verdicts, earlier rule: against the paper's rule": (EARLIER, "referee-rows"),
    "no verdicts: against all verdicts": ("replay-chance-free", "replay-referee-rows"),
    "no verdicts: against the paper's rule": ("replay-chance-free", "referee-rows"),
    "no verdicts, more instructions: against all verdicts": (
        "replay-chance-free-many",
        "replay-referee-rows",
    ),
    "no verdicts, more instructions: against hard only": (
        "replay-chance-free-many",
        "replay-hard-only",
    ),
    "no verdicts, more instructions: against the paper's rule": (
        "replay-chance-free-many",
        "referee-rows",
    ),
    "loss against referee": ("replay-loss-rows", "replay-referee-rows"),
    "loss against chance": ("replay-loss-rows", "replay-chance-free"),
    "loss, top fifth, against chance": ("replay-loss-top-fifth", "replay-chance-free"),
    "loss against chance, clusters": ("replay-loss-clusters", "replay-chance-clusters"),
    "loss, hard only: against all verdicts": ("replay-loss-hard-only", "replay-referee-rows"),
    "loss, hard only: against no verdicts": ("replay-loss-hard-only", "replay-chance-free"),
    "loss, hard only: against the paper's rule": ("replay-loss-hard-only", "referee-rows"),
    "loss against referee, hard only": ("replay-loss-hard-only", "replay-hard-only"),
    "loss against chance, hard only": ("replay-loss-hard-only", "replay-chance-hard-only"),
    "loss against chance, hard only, clusters": (
        "replay-loss-clusters-hard-only",
        "replay-chance-clusters-hard-only",
    ),
    "contrast against none": ("replay-contrast", "replay-referee-rows"),
    "contrast against as many tokens of imitation": ("replay-contrast", "replay-contrast-tokens"),
    "contrast against another row's wrong answer": ("replay-contrast", "replay-contrast-other"),
    "anchored contrast against none": ("replay-contrast-anchor", "replay-referee-rows"),
    "anchored contrast against as many tokens of imitation": (
        "replay-contrast-anchor",
        "replay-contrast-tokens",
    ),
    "anchored contrast against another row's wrong answer": (
        "replay-contrast-anchor",
        "replay-contrast-anchor-other",
    ),
    "rewritten against as many second answers": ("replay-rewrite", "replay-rewrite-blind"),
    "rewritten against none": ("replay-rewrite", "replay-referee-rows"),
}

# The plot's comparisons: does the referee's choice matter, and what do cheaper choices lose?
PLOTTED = (
    "referee against chance, rows",
    "referee against chance, clusters",
    "replay: against none",
    "replay: referee against chance",
    "replay, clusters: referee against chance",
    "replay, hard only: referee against chance",
    "few verdicts, earlier rule: against all verdicts",
    "no verdicts: against all verdicts",
)


def command(name: str) -> str:
    """Return the DVC command that runs variant `name`; add `-S seed=N`."""
    sets = [_setting(key, value) for key, value in VARIANTS[name].items()]
    return " ".join(["dvc exp run", *sets, *(["evaluate-seed@r0"] if name in SEEDS_ONLY else [])])


def _setting(key: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{name}: {part}" for name, part in value.items())
        return f"-S '{key}={{{inner}}}'"
    return f"-S {key}={value}"
