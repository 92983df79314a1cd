"""Teach: the teacher answers a pool."""

from pathlib import Path

import click

import stages
from lion.chat import connect
from lion.imitate.teacher import teach
from lion.params import load_params
from lion.pools.tables import ANSWER, read_pool, write_table


@click.command()
@stages.path("--pool", help="Instructions or questions to answer.")
@stages.path("--out", help="Out: the answers.")
@stages.round_name
@stages.params
def main(pool: Path, out: Path, round_: str, params_path: Path) -> None:
    """Ask the teacher for an answer to each row of the pool."""
    params = load_params(params_path)
    rows = read_pool(pool)
    with connect(params, "teacher", stage="teach", round=round_) as chat:
        answers = teach(rows, chat, params.teacher, label=f"teach {round_}")
    write_table(out, answers, ANSWER)


if __name__ == "__main__":
    main()
