"""What the control plays, and which of it is compared with which."""

from typing import Any

FIVE_ROUNDS = "five-rounds"
_REPLAY = {"imitate.replay": 1.0}
_CLUSTERS_HARD_ONLY = {"sampling.over": "clusters", "generate.hard_share": 1.0}

# Each variant: what of the parameters it changes. Every other parameter is params.yaml's.
VARIANTS: dict[str, dict[str, Any]] = {
    "referee-rows": {},  # the paper's rule
    "chance-rows": {"sampling.by": "chance"},
    "referee-clusters": {"sampling.over": "clusters"},
    "chance-clusters": {"sampling.over": "clusters", "sampling.by": "chance"},
    "tau-0": {"tau": 0.0},
    "tau-2": {"tau": 2.0},
    "tau-4": {"tau": 4.0},
    "hard-only": {"generate.hard_share": 1.0},
    "easy-only": {"generate.hard_share": 0.0},
    "chance-rows-hard-only": {"sampling.by": "chance", "generate.hard_share": 1.0},
    "gap-rows": {"sampling.weight": "gap"},
    "gap-clusters": {"sampling.over": "clusters", "sampling.weight": "gap"},
    "learnable-rows": {"sampling.weight": "learnable"},
    "learnable-clusters": {"sampling.over": "clusters", "sampling.weight": "learnable"},
    "frontier-rows": {"sampling.weight": "frontier"},
    "frontier-clusters": {"sampling.over": "clusters", "sampling.weight": "frontier"},
    "referee-clusters-hard-only": {**_CLUSTERS_HARD_ONLY},
    "chance-clusters-hard-only": {**_CLUSTERS_HARD_ONLY, "sampling.by": "chance"},
    "frontier-clusters-hard-only": {**_CLUSTERS_HARD_ONLY, "sampling.weight": "frontier"},
    "learnable-clusters-hard-only": {**_CLUSTERS_HARD_ONLY, "sampling.weight": "learnable"},
    "teacher-floor": {"sampling.teacher_floor": 7.0},
    "referee-rows-1200": {"generate.count": 1200},
    "chance-rows-1200": {"generate.count": 1200, "sampling.by": "chance"},
    "referee-clusters-1200": {"generate.count": 1200, "sampling.over": "clusters"},
    "chance-clusters-1200": {
        "generate.count": 1200,
        "sampling.over": "clusters",
        "sampling.by": "chance",
    },
    "hard-only-1200": {"generate.count": 1200, "generate.hard_share": 1.0},
    "chance-rows-hard-only-1200": {
        "generate.count": 1200,
        "generate.hard_share": 1.0,
        "sampling.by": "chance",
    },
    "replay-referee-rows": {**_REPLAY},
    "replay-chance-rows": {**_REPLAY, "sampling.by": "chance"},
    "replay-hard-only": {**_REPLAY, "generate.hard_share": 1.0},
    "replay-chance-hard-only": {**_REPLAY, "generate.hard_share": 1.0, "sampling.by": "chance"},
    "replay-clusters-hard-only": {**_REPLAY, **_CLUSTERS_HARD_ONLY},
    "replay-chance-clusters-hard-only": {
        **_REPLAY,
        **_CLUSTERS_HARD_ONLY,
        "sampling.by": "chance",
    },
    FIVE_ROUNDS: {"rounds.r4": "r3", "rounds.r5": "r4"},
}
# Training on the seeds alone, about as many steps as the whole loop takes.
SEEDS_ONLY = "seeds-only"
START = "round-0"  # what all variants of a seed share

# The questions asked of the rows: what is compared with what.
CONTRASTS: dict[str, tuple[str, str]] = {
    "the loop against its start": ("referee-rows", "round-0"),
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
    "clusters, hard only: referee against chance": (
        "referee-clusters-hard-only",
        "chance-clusters-hard-only",
    ),
    "N 1200: referee against chance, rows": ("referee-rows-1200", "chance-rows-1200"),
    "N 1200: referee against chance, clusters": (
        "referee-clusters-1200",
        "chance-clusters-1200",
    ),
    "N 1200, hard only: referee against chance, rows": (
        "hard-only-1200",
        "chance-rows-hard-only-1200",
    ),
    "replay: referee against chance, rows": ("replay-referee-rows", "replay-chance-rows"),
    "replay, hard only: referee against chance, rows": (
        "replay-hard-only",
        "replay-chance-hard-only",
    ),
    "replay, hard only: referee against chance, clusters": (
        "replay-clusters-hard-only",
        "replay-chance-clusters-hard-only",
    ),
    "replay against none": ("replay-referee-rows", "referee-rows"),
    "replay, hard only, against the paper's rule": ("replay-hard-only", "referee-rows"),
    "teacher floor 7": ("teacher-floor", "referee-rows"),
}


def command(name: str) -> str:
    """The DVC experiment that plays variant `name`; add `-S seed=N`."""
    if name == SEEDS_ONLY:
        return "dvc exp run -S imitate.epochs=EPOCHS evaluate-seed@r0"
    changes = VARIANTS[name].items()
    sets = [f"-S {'+' if key.startswith('rounds.') else ''}{key}={value}" for key, value in changes]
    return " ".join(["dvc exp run", *sets])
