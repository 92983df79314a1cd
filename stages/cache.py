"""Cache: add the round's answered train pool to the cache pool."""

from pathlib import Path

import click

import stages
from lion.pools.cache import grow_cache, with_answers
from lion.pools.tables import ANSWER, INSTRUCTION, read_table


@click.command()
@stages.path("--before", help="The cache pool of the round before.")
@stages.path("--pool", help="Train pool of this round.")
@stages.path("--answers", help="The teacher's answers to it.")
@stages.path("--out", help="Out: the cache pool of this round.")
@stages.round_name
def main(before: Path, pool: Path, answers: Path, out: Path, round_: str) -> None:
    """Add one shard; copy the shards of earlier rounds unchanged."""
    shard = with_answers(read_table(pool, INSTRUCTION), read_table(answers, ANSWER))
    grow_cache(before, shard, round_, out)


if __name__ == "__main__":
    main()
