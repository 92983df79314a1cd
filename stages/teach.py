"""Teach: the teacher answers a pool."""

from pathlib import Path

import click

import stages
from lion.chat import connect
from lion.imitate.teacher import check_thoughts, teach
from lion.params import Params
from lion.pools.tables import ANSWER, read_pool, read_table, write_table


@click.command()
@stages.path("--pool", help="Instructions or questions to answer.")
@stages.path("--kept", required=False, help="Answers that need no request.")
@stages.path("--out", help="Out: the answers.")
@stages.round_name
@stages.params
def main(pool: Path, kept: Path | None, out: Path, round_: str, params: Params) -> None:
    """Ask the teacher for an answer to each row of the pool that has none."""
    rows = read_pool(pool)
    known = read_table(kept, ANSWER) if kept else None
    with connect(params, "teacher", stage="teach", round=round_) as chat:
        answers = teach(rows, chat, params.teacher, label=f"teach {round_}", kept=known)
    if params.teacher.thoughts == "learn":
        check_thoughts(answers, known, label=f"teach {round_}")
    write_table(out, answers, ANSWER)


if __name__ == "__main__":
    main()
