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
@stages.path("--rewrites", required=False, help="New answers to earlier rows.")
@stages.path("--out", help="Out: the cache pool of this round.")
@stages.round_name
def main(
    before: Path, pool: Path, answers: Path, rewrites: Path | None, out: Path, round_: str
) -> None:
    """Add the round's shard, and put new answers into the shards of earlier rounds."""
    shard = with_answers(read_table(pool, INSTRUCTION), read_table(answers, ANSWER))
    new = read_table(rewrites, ANSWER) if rewrites else None
    grow_cache(before, shard, round_, out, rewrites=new)


if __name__ == "__main__":
    main()
