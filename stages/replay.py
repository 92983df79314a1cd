"""Replay: draw rows of earlier rounds to train on again, along with the new ones."""

from pathlib import Path

import click

import stages
from lion.imitate.replay import replayed
from lion.params import load_params
from lion.pools.cache import read_cache
from lion.pools.tables import ANSWER, ANSWERED, INSTRUCTION, read_table, write_table


@click.command()
@stages.path("--cache", help="The cache pool of the round before.")
@stages.path("--pool", help="Train pool of this round.")
@stages.path("--rewrites", help="New answers to rows of the cache pool.")
@stages.path("--out", help="Out: the replayed rows.")
@stages.round_name
@stages.params
def main(
    cache: Path, pool: Path, rewrites: Path, out: Path, round_: str, params_path: Path
) -> None:
    """Draw `replay` rows of the cache pool per new row, first those with a new answer."""
    params = load_params(params_path)
    new = read_table(pool, INSTRUCTION).height
    again = replayed(
        read_cache(cache),
        params.replay * new,
        rewrites=read_table(rewrites, ANSWER),
        seed=params.seed,
        round=round_,
    )
    write_table(out, again, ANSWERED)
    click.echo(f"{again.height} rows of earlier rounds beside {new} new ones")


if __name__ == "__main__":
    main()
