"""`lion pool diff`, `lion trace`, `lion rounds`, `lion estimate`, `lion try`."""

import json

import click

from lion.support.command_line import HELP, json_option

_HERE = "workspace"


@click.group(context_settings=HELP)
def pool() -> None:
    """Compare versions of the instruction pools."""


@pool.command()
@click.argument("old", default="HEAD", metavar="[REV_A]")
@click.argument("new", default=_HERE, metavar="[REV_B]")
@json_option()
@click.option("--md", "markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--limit", type=click.IntRange(min=0), help="Instructions to list of each kind.")
def diff(old: str, new: str, as_json: bool, markdown: bool, limit: int | None) -> None:
    """List instructions added, removed or with a new verdict, from REV_A to REV_B.

    A revision is any name that git or `dvc exp` knows, or `workspace`. The defaults are HEAD and
    workspace. Files that the cache lacks are fetched from the remote. Without --limit, the list has
    ten instructions of each kind, and the JSON all of them.
    """
    from lion.runs.revision import open_revisions
    from lion.versions.diff import as_dict, as_text, pool_diff

    with open_revisions(old, new) as (before, after):
        changes = pool_diff(before, after)
    if as_json:
        click.echo(_dump(as_dict(changes, before, after, limit)))
    else:
        few = 10 if limit is None else limit
        click.echo(as_text(changes, before, after, few, markdown=markdown))


@click.command(context_settings=HELP)
@click.argument("query", metavar="ID|TEXT")
@click.option("--rev", default=_HERE, show_default=True, help="Revision or experiment to read.")
@json_option()
def trace(query: str, rev: str, as_json: bool) -> None:
    """Show the history of one instruction, or of a rejected draft.

    ID may be the first digits of an id; TEXT are words that only this instruction contains.
    """
    from lion.runs.revision import open_revisions
    from lion.versions.trace import as_text
    from lion.versions.trace import trace as history_of

    with open_revisions(rev) as (revision,):
        history = history_of(revision.tables, query)
    click.echo(_dump(history) if as_json else as_text(history))


@click.command(context_settings=HELP)
@click.option(
    "--rev", "revs", multiple=True, help="Revision or experiment; repeat to compare several."
)
@json_option()
def rounds(revs: tuple[str, ...], as_json: bool) -> None:
    """Show one row per round: pools, origins, verdicts, acceptance, relative quality, tokens.

    The last line says what to do next: go on, stop, add seeds, or choose another referee.
    """
    from lion.runs.closing import next_step
    from lion.runs.revision import open_revisions
    from lion.runs.rounds import as_text, rounds_of

    with open_revisions(*(revs or (_HERE,))) as revisions:
        versions = {revision.label: rounds_of(revision.tables) for revision in revisions}
        advice = {r.label: next_step(r.tables, r.tau) for r in revisions}
    if as_json:
        click.echo(_dump(versions))
        return
    click.echo(as_text(versions))
    for label, line in advice.items():
        if line:
            click.echo(f"{label}: {line}" if len(advice) > 1 else line)


@click.command(context_settings=HELP)
@click.option(
    "-S",
    "--set-param",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override, as in `dvc exp run -S`: tau=1.5, +rounds.r4=r3. Repeatable.",
)
@json_option()
def estimate(overrides: tuple[str, ...], as_json: bool) -> None:
    """Estimate what `dvc repro` would run and cost, without running it.

    Works in a fresh clone, before the first run. Money stays unknown without a price, hours
    without a rate limit or a past reply.
    """
    from lion.runs.project import at_root
    from lion.versions.estimate import estimated
    from lion.versions.show_estimate import as_dict, as_text

    with at_root():
        planned, costs = estimated(overrides)
    click.echo(_dump(as_dict(planned, costs)) if as_json else as_text(planned, costs))


@click.command("try", context_settings=HELP)
@click.option(
    "--seeds", "count", type=click.IntRange(1, 100), default=5, show_default=True, help="How many."
)
@click.option(
    "--loop",
    is_flag=True,
    help="Instead, play one round on a tenth of the seeds, with the offline oracle.",
)
def try_(count: int, loop: bool) -> None:
    """Try a few of your seeds in every role, and estimate the cost of the whole run.

    Prints the teacher's answer, the answer of the untrained student, the scores of referee and
    judge, and one new instruction. The replies are kept in the response store; the
    run reuses the teacher's answers. With --loop, nothing in the project changes.
    """
    from lion.runs.project import at_root

    with at_root() as root:
        if loop:
            from lion.versions.loop_trial import play_a_tenth

            click.echo(play_a_tenth(root))
            return
        from lion.params import load_params
        from lion.versions.estimate import estimated
        from lion.versions.show_estimate import in_one_line
        from lion.versions.trial import as_text, spent_so_far, try_roles

        params = load_params(root / "params.yaml")
        before = spent_so_far(params)
        trial = try_roles(params, count)
        if trial.fault and trial.answers is None:  # there is nothing to show
            raise trial.fault
        click.echo("\n" + "\n".join(as_text(trial, tau=params.tau)))
        after = spent_so_far(params)
        price = f" and {after[1] - before[1]:.4f} {params.prices.currency}" if params.prices else ""
        whole = in_one_line(*estimated())
        click.echo(f"This trial took {after[0] - before[0]:,} requests{price}. {whole}")
        if trial.fault:
            raise trial.fault


def _dump(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
