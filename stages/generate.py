"""Generate: make the train pool of new instructions, inspired by hard and easy ones."""

from pathlib import Path

import click

import stages
from lion.chat import connect
from lion.generate.drafts import Drafts
from lion.generate.generator import generate
from lion.generate.sampling import sides_of
from lion.params import Params
from lion.pools.cache import read_cache
from lion.pools.contamination import read_avoided
from lion.pools.tables import ANSWER_LOSS, DRAW, INSTRUCTION, VERDICT, read_table, write_table


@click.command()
@stages.path("--cache", help="The cache pool of the round before.")
@stages.path("--scores", help="The verdicts on it.")
@stages.path("--difficulty", help="The student's losses on it.")
@stages.path("--avoid", help="Folder of questions that no new instruction may repeat.")
@stages.path("--pool", help="Out: train pool of this round.")
@stages.path("--draws", help="Out: every draw with its verdict.")
@stages.round_name
@stages.params
def main(
    cache: Path,
    scores: Path,
    difficulty: Path,
    avoid: Path,
    pool: Path,
    draws: Path,
    round_: str,
    params: Params,
) -> None:
    """Draw parents, ask for new instructions, and keep those that are new enough."""
    known = read_cache(cache)
    sides = sides_of(
        known,
        read_table(scores, VERDICT),
        params.sampling,
        seed=params.seed,
        difficulty=read_table(difficulty, ANSWER_LOSS),
    )
    if params.sampling.by == "referee" and not sides["hard"].height:
        click.echo(
            "No instruction is hard, so all parents are easy ones. If the referee's win rate is "
            "near 50%, too, this is the paper's equilibrium."
        )
    # Named, not globbed: the folder may contain a file that params.yaml no longer names.
    tables = [avoid / f"{name}.jsonl" for name in ("evaluate", *params.decontaminate.files)]
    is_slow = params.endpoint_of("generator").mode == "batch"
    with connect(params, "generator", stage="generate", round=round_) as chat:
        new, drawn = generate(
            sides,
            known,
            Drafts(chat, params.generator, ahead=is_slow),
            settings=params.generate,
            avoid=read_avoided(tables, words=params.decontaminate.words),
            round=round_,
            seed=params.seed,
        )
    write_table(pool, new, INSTRUCTION)
    write_table(draws, drawn, DRAW)


if __name__ == "__main__":
    main()
