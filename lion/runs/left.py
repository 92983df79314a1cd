"""The remaining work of a loop, and its time at the pace of the measured stages."""

from typing import NamedTuple

from lion.params import Params
from lion.runs.run import Tables
from lion.support.timing import Took

Work = dict[tuple[str, str], int]  # by stage and round, in the order of the loop
# Short stages, and the long stage that follows each of them.
_BEFORE = {"seed": "teach", "discriminate": "generate", "rewrite": "generate"}
_FEW = 0.5  # share of its work that a stage must have done for its pace to count


class Left(NamedTuple):
    """Seconds for the whole current stage (None if unknown), and for the later stages.

    `unmeasured` names the later stages that have not been measured yet.
    """

    own: float | None
    later: float
    unmeasured: list[str]


def work_of_loop(params: Params, tables: Tables) -> Work:
    """Return each long stage's work: rows, or replies without retries if it asks a model."""
    seeds = tables.pool.filter(round="r0").height
    judged = tables.questions.height * (2 if params.judge.setting == 2 else 1)
    new = params.generate.count
    work: Work = {}
    for number, name in enumerate(params.round_names):
        if number:
            examined = params.examine.count(seeds + (number - 1) * new)
            work |= {("respond", name): examined, ("referee", name): 2 * examined}
            work["generate", name] = new
        work["teach", name] = rows = new if number else seeds
        work["imitate", name] = rows + (round(params.replay * rows) if number else 0)
        work["evaluate", name] = judged * params.judge.samples
    return work


def time_left(work: Work, stage: str, round: str, took: list[Took], evaluated: set[str]) -> Left:
    """Return the time that `stage` of `round` and the stages after it take.

    Evaluations of earlier rounds that are missing in `evaluated` count as later stages.
    """
    measured = {note.stage: note for note in took if note.share >= _FEW and work.get(note[:2])}
    pace = {name: note.seconds / note.share / work[note[:2]] for name, note in measured.items()}
    order, here = list(work), (_BEFORE.get(stage, stage), round)
    place = order.index(here) if here in work else len(order)
    is_long = stage not in _BEFORE
    missing = [key for key in order[:place] if key[0] == "evaluate" and key[1] not in evaluated]
    to_come = [key for key in missing + order[place + is_long :] if work[key]]
    return Left(
        pace[stage] * work[here] if is_long and stage in pace and here in work else None,
        sum(pace.get(name, 0.0) * work[name, at] for name, at in to_come),
        list(dict.fromkeys(name for name, _ in to_come if name not in pace)),
    )
