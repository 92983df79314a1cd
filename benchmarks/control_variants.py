"""The variants of the control, and the comparisons between them."""

from typing import Any

Changes = dict[str, Any]

START = "round-0"  # shared by all variants of a seed
# Train once on the seeds alone.
SEEDS_ONLY = ("seeds-only", "replay-seeds-only")

_ROUNDS: Changes = {"rounds.r4": "r3", "rounds.r5": "r4"}
_CHANCE: Changes = {"sampling.by": "chance"}
_CLUSTERS: Changes = {"sampling.over": "clusters"}
_HARD_ONLY: Changes = {"generate.hard_share": 1.0}
_EASY_ONLY: Changes = {"generate.hard_share": 0.0}
_FREE: Changes = {"examine.rows": 0}
_LOSS: Changes = _FREE | {"examine.loss": True, "sampling.by": "loss"}
_SECOND: Changes = {"examine.second_order": 1.0}
_MORE: Changes = {"generate.count": 1200}
_ANCHORED: Changes = {"anchor": 1.0, "learning_rate": 2.0e-4}


# As in the paper: each round's train pool replaces the previous one.
_REPLACED: dict[str, Changes] = {
    "referee-rows": {},
    "chance-rows": _CHANCE,
    "referee-clusters": _CLUSTERS,
    "chance-clusters": _CLUSTERS | _CHANCE,
    "tau-0": {"tau": 0.0},
    "tau-2": {"tau": 2.0},
    "tau-4": {"tau": 4.0},
    "hard-only": _HARD_ONLY,
    "easy-only": _EASY_ONLY,
    "chance-rows-hard-only": _HARD_ONLY | _CHANCE,
    "chance-clusters-hard-only": _CLUSTERS | _HARD_ONLY | _CHANCE,
    "teacher-floor": {"sampling.teacher_floor": 7.0},
    "referee-rows-1200": _MORE,
    "chance-rows-1200": _MORE | _CHANCE,
    "hard-only-1200": _MORE | _HARD_ONLY,
    "chance-rows-hard-only-1200": _MORE | _HARD_ONLY | _CHANCE,
    # As many steps as with replay; round 0 is the shared one, with 10 epochs.
    "epochs-20": {"imitate.epochs": 20},
    "five-rounds": _ROUNDS,
    "seeds-only": {"imitate.epochs": 22},  # about as many steps as the whole loop
}
# The student trains on one row of earlier rounds again for each new row.
_REPLAYED: dict[str, Changes] = {
    "replay-referee-rows": {},
    "replay-chance-rows": _CHANCE,
    "replay-referee-clusters": _CLUSTERS,
    "replay-chance-clusters": _CLUSTERS | _CHANCE,
    "replay-hard-only": _HARD_ONLY,
    "replay-chance-hard-only": _HARD_ONLY | _CHANCE,
    "replay-clusters-hard-only": _CLUSTERS | _HARD_ONLY,
    "replay-chance-clusters-hard-only": _CLUSTERS | _HARD_ONLY | _CHANCE,
    "replay-easy-only": _EASY_ONLY,
    "replay-tau-0": {"tau": 0.0},
    "replay-five-rounds": _ROUNDS,
    "replay-five-rounds-hard-only": _ROUNDS | _HARD_ONLY,
    "replay-five-rounds-chance-hard-only": _ROUNDS | _HARD_ONLY | _CHANCE,
    "replay-five-rounds-clusters-hard-only": _ROUNDS | _CLUSTERS | _HARD_ONLY,
    "replay-five-rounds-chance-clusters-hard-only": _ROUNDS | _CLUSTERS | _HARD_ONLY | _CHANCE,
    # Fewer verdicts, or none.
    "replay-sample-quarter": {"examine.rows": 0.25},
    "replay-sample-tenth": {"examine.rows": 0.1},
    "replay-second-order": _SECOND,
    "replay-until-hard": {"examine.hard": 300},  # as many as children of hard rows are wanted
    "replay-frugal": _SECOND | {"examine.rows": 450, "examine.hard": 300},
    "replay-chance-free": _FREE | _CHANCE,
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
    # Imitation of about as many tokens as a contrast computes (its pairs count twice).
    "replay-contrast-tokens": {"replay": 1.35},
    # The offline teacher is always right: rewriting replays hard rows, in both.
    "replay-rewrite": {"rewrite.share": 0.25},
    "replay-rewrite-blind": {"rewrite.share": 0.25, "rewrite.blind": True},
}
# The parameters that each variant changes; all others come from params.yaml.
VARIANTS: dict[str, Changes] = {
    **{name: {"replay": 0.0} | changes for name, changes in _REPLACED.items()},
    **{name: {"replay": 1.0} | changes for name, changes in _REPLAYED.items()},
}

# Variants with figures after every round.
FIVE_ROUNDS = [name for name, changes in VARIANTS.items() if changes.keys() >= _ROUNDS.keys()]

# Variants that weighted rows; no result could tell them from chance, so they are no longer played.
# The table still shows their recorded rows.
RETIRED = (
    *("gap-rows", "gap-clusters", "learnable-rows", "learnable-clusters"),
    *("frontier-rows", "frontier-clusters"),
    *("frontier-clusters-hard-only", "learnable-clusters-hard-only"),
    *("replay-frontier-clusters-hard-only", "replay-learnable-clusters-hard-only"),
)

# Each comparison: a variant against its reference.
CONTRASTS: dict[str, tuple[str, str]] = {
    "the loop against its start": ("referee-rows", START),
    "referee against chance, rows": ("referee-rows", "chance-rows"),
    "referee against chance, clusters": ("referee-clusters", "chance-clusters"),
    "clusters against rows, referee": ("referee-clusters", "referee-rows"),
    "clusters against rows, chance": ("chance-clusters", "chance-rows"),
    "the loop against seeds only": ("referee-rows", "seeds-only"),
    "tau 0 against 1": ("tau-0", "referee-rows"),
    "tau 2 against 1": ("tau-2", "referee-rows"),
    "tau 4 against 1": ("tau-4", "referee-rows"),
    "hard only against 1:1": ("hard-only", "referee-rows"),
    "easy only against 1:1": ("easy-only", "referee-rows"),
    "hard only: referee against chance": ("hard-only", "chance-rows-hard-only"),
    "weight by gap, rows": ("gap-rows", "chance-rows"),
    "weight by gap, clusters": ("gap-clusters", "chance-clusters"),
    "learnable, rows": ("learnable-rows", "chance-rows"),
    "learnable, clusters": ("learnable-clusters", "chance-clusters"),
    "frontier, rows": ("frontier-rows", "chance-rows"),
    "frontier, clusters": ("frontier-clusters", "chance-clusters"),
    "clusters, hard only: frontier against chance": (
        "frontier-clusters-hard-only",
        "chance-clusters-hard-only",
    ),
    "clusters, hard only: learnable against chance": (
        "learnable-clusters-hard-only",
        "chance-clusters-hard-only",
    ),
    "teacher floor 7": ("teacher-floor", "referee-rows"),
    "N 1200: referee against chance": ("referee-rows-1200", "chance-rows-1200"),
    "N 1200, hard only: referee against chance": ("hard-only-1200", "chance-rows-hard-only-1200"),
    "20 epochs against 10": ("epochs-20", "referee-rows"),
    "replay: the loop against its start": ("replay-referee-rows", START),
    "replay: against none": ("replay-referee-rows", "referee-rows"),
    "replay: against 20 epochs without": ("replay-referee-rows", "epochs-20"),
    "replay: referee against chance": ("replay-referee-rows", "replay-chance-rows"),
    "replay, clusters: referee against chance": (
        "replay-referee-clusters",
        "replay-chance-clusters",
    ),
    "replay, hard only: referee against chance": ("replay-hard-only", "replay-chance-hard-only"),
    "replay, hard only, clusters: referee against chance": (
        "replay-clusters-hard-only",
        "replay-chance-clusters-hard-only",
    ),
    "replay, hard only, clusters: frontier against chance": (
        "replay-frontier-clusters-hard-only",
        "replay-chance-clusters-hard-only",
    ),
    "replay, hard only, clusters: learnable against chance": (
        "replay-learnable-clusters-hard-only",
        "replay-chance-clusters-hard-only",
    ),
    "replay, hard only: referee by rows against chance by clusters": (
        "replay-hard-only",
        "replay-chance-clusters-hard-only",
    ),
    "replay, hard only, five rounds: referee against chance": (
        "replay-five-rounds-hard-only",
        "replay-five-rounds-chance-hard-only",
    ),
    "replay, hard only, five rounds, clusters: referee against chance": (
        "replay-five-rounds-clusters-hard-only",
        "replay-five-rounds-chance-clusters-hard-only",
    ),
    "replay: contrast against none": ("replay-contrast", "replay-referee-rows"),
    "replay: contrast against as many tokens of imitation": (
        "replay-contrast",
        "replay-contrast-tokens",
    ),
    "replay: contrast against another row's wrong answer": (
        "replay-contrast",
        "replay-contrast-other",
    ),
    "replay: anchored contrast against none": ("replay-contrast-anchor", "replay-referee-rows"),
    "replay: anchored contrast against as many tokens of imitation": (
        "replay-contrast-anchor",
        "replay-contrast-tokens",
    ),
    "replay: anchored contrast against another row's wrong answer": (
        "replay-contrast-anchor",
        "replay-contrast-anchor-other",
    ),
    "replay: rewritten against as many second answers": (
        "replay-rewrite",
        "replay-rewrite-blind",
    ),
    "replay: rewritten against none": ("replay-rewrite", "replay-referee-rows"),
    "replay: hard only against 1:1": ("replay-hard-only", "replay-referee-rows"),
    "replay: easy only against 1:1": ("replay-easy-only", "replay-referee-rows"),
    "replay: tau 0 against 1": ("replay-tau-0", "replay-referee-rows"),
    "a quarter of the rows judged": ("replay-sample-quarter", "replay-referee-rows"),
    "a tenth of the rows judged": ("replay-sample-tenth", "replay-referee-rows"),
    "a quarter of the rows judged, against chance": ("replay-sample-quarter", "replay-chance-rows"),
    "the second order only where it matters": ("replay-second-order", "replay-referee-rows"),
    "verdicts until enough are hard": ("replay-until-hard", "replay-referee-rows"),
    "presets/frugal.yaml's examination": ("replay-frugal", "replay-referee-rows"),
    "presets/frugal.yaml's examination, against chance": ("replay-frugal", "replay-chance-rows"),
    "chance without verdicts": ("replay-chance-free", "replay-referee-rows"),
    "loss against referee": ("replay-loss-rows", "replay-referee-rows"),
    "loss against chance": ("replay-loss-rows", "replay-chance-rows"),
    "loss, top fifth, against chance": ("replay-loss-top-fifth", "replay-chance-rows"),
    "loss against chance, clusters": ("replay-loss-clusters", "replay-chance-clusters"),
    "loss against referee, hard only": ("replay-loss-hard-only", "replay-hard-only"),
    "loss against chance, hard only": ("replay-loss-hard-only", "replay-chance-hard-only"),
    "loss against chance, hard only, clusters": (
        "replay-loss-clusters-hard-only",
        "replay-chance-clusters-hard-only",
    ),
    "replay: the loop against seeds only": ("replay-referee-rows", "replay-seeds-only"),
}

# The comparisons in the plot: does the referee's choice matter?
PLOTTED = (
    "referee against chance, rows",
    "referee against chance, clusters",
    "N 1200: referee against chance",
    "replay: against none",
    "replay: referee against chance",
    "replay, hard only: referee against chance",
    "replay, hard only: referee by rows against chance by clusters",
    "replay, hard only, clusters: referee against chance",
)


def command(name: str) -> str:
    """Return the DVC command that runs variant `name`; add `-S seed=N`."""
    if name == "epochs-20":
        return "none: its round 0 has other epochs than its rounds"
    changes = VARIANTS[name].items()
    sets = [_setting(key, value) for key, value in changes]
    return " ".join(["dvc exp run", *sets, *(["evaluate-seed@r0"] if name in SEEDS_ONLY else [])])


def _setting(key: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{name}: {part}" for name, part in value.items())
        return f"-S '{key}={{{inner}}}'"
    return f"-S {'+' if key.startswith('rounds.') else ''}{key}={value}"
