"""Generate: new instructions from hard and from easy ones become the train pool."""

from pathlib import Path

import click

import stages
from lion.chat import connect
from lion.generate.generator import generate
from lion.generate.sampling import sides_of
from lion.params import load_params
from lion.pools.cache import read_cache
from lion.pools.contamination import read_avoided
from lion.pools.tables import DRAW, INSTRUCTION, VERDICT, read_table, write_table


@click.command()
@stages.path("--cache", help="The cache pool of the round before.")
@stages.path("--scores", help="The verdicts on it.")
@stages.path("--before", help="The verdicts of the round before; empty in the first.")
@stages.path("--avoid", help="Folder with the questions that no new instruction may repeat.")
@stages.path("--pool", help="Out: train pool of this round.")
@stages.path("--draws", help="Out: everything drawn, with what became of it.")
@stages.round_name
@stages.params
def main(
    cache: Path,
    scores: Path,
    before: Path,
    avoid: Path,
    pool: Path,
    draws: Path,
    round_: str,
    params_path: Path,
) -> None:
    """Draw instructions, ask for new ones, keep those that are new enough."""
    params = load_params(params_path)
    known = read_cache(cache)
    verdicts = read_table(scores, VERDICT), read_table(before, VERDICT)
    sides = sides_of(known, *verdicts, params.sampling, seed=params.seed)
    if not sides["hard"].height:
        click.echo(
            "No hard instruction is left: the referee cannot tell the student from the teacher "
            "(the paper's equilibrium). The whole quota is drawn from easy ones."
        )
    # Named, not globbed: a file that is no longer in the parameters may still lie there.
    tables = [avoid / f"{name}.jsonl" for name in ("evaluate", *params.decontaminate.files)]
    with connect(params, "generator", stage="generate", round=round_) as chat:
        new, drawn = generate(
            sides,
            known,
            chat,
            settings=params.generate,
            asking=params.generator,
            avoid=read_avoided(tables, words=params.decontaminate.words),
            round=round_,
            seed=params.seed,
        )
    write_table(pool, new, INSTRUCTION)
    write_table(draws, drawn, DRAW)


if __name__ == "__main__":
    main()
