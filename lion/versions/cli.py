"""`lion pool diff`, `lion trace`, `lion rounds`, `lion estimate`."""

import json

import click

_json = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
_HERE = "workspace"


@click.group()
def pool() -> None:
    """The pools of instructions, as versions."""


@pool.command()
@click.argument("old", default="HEAD", metavar="[REV_A]")
@click.argument("new", default=_HERE, metavar="[REV_B]")
@_json
@click.option("--md", "markdown", is_flag=True, help="Markdown, for a pull request.")
@click.option("--limit", type=click.IntRange(min=0), help="Instructions listed of each kind.")
def diff(old: str, new: str, as_json: bool, markdown: bool, limit: int | None) -> None:
    """Instructions added, removed, and judged otherwise from REV_A to REV_B.

    A revision is whatever git or `dvc exp` knows, or `workspace`; by default HEAD and workspace.
    Files that are not in the cache are read from the remote. Ten instructions of each kind are
    listed, in JSON all, unless --limit says otherwise.
    """
    from lion.runs.revision import open_revisions
    from lion.versions import show_diff
    from lion.versions.diff import pool_diff

    with open_revisions(old, new) as (one, other):
        found = pool_diff(one, other)
    if as_json:
        click.echo(_dump(show_diff.as_json(found, one, other, limit)))
    else:
        few = 10 if limit is None else limit
        click.echo(show_diff.as_text(found, one, other, few, markdown=markdown))


@click.command()
@click.argument("query", metavar="ID|TEXT")
@click.option("--rev", default=_HERE, show_default=True, help="Of this revision or experiment.")
@_json
def trace(query: str, rev: str, as_json: bool) -> None:
    """The whole life of one instruction, or of a draft that was rejected.

    ID may be the beginning of one; TEXT is words that only this instruction has.
    """
    from lion.runs.revision import open_revisions
    from lion.versions import show_trace, trace

    with open_revisions(rev) as (revision,):
        life = trace.trace(revision.tables, query)
    click.echo(_dump(life) if as_json else show_trace.as_text(life))


@click.command()
@click.option(
    "--rev", "revs", multiple=True, help="Revision or experiment; give several to compare."
)
@_json
def rounds(revs: tuple[str, ...], as_json: bool) -> None:
    """A row a round: pools, origins, verdicts, acceptance, relative quality, tokens."""
    from lion.runs.revision import open_revisions
    from lion.versions.rounds import as_text, rounds_of

    with open_revisions(*(revs or (_HERE,))) as revisions:
        versions = {revision.label: rounds_of(revision.tables) for revision in revisions}
    click.echo(_dump(versions) if as_json else as_text(versions))


@click.command()
@click.option(
    "-S",
    "--set-param",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="As `dvc exp run -S` takes it: tau=1.5, +rounds.r4=r3. Repeatable.",
)
@_json
def estimate(overrides: tuple[str, ...], as_json: bool) -> None:
    """What `dvc repro` would run, all that hangs on it, and what that costs; nothing is run.

    Money and hours stay unknown where no price or no rate limit is given.
    """
    from lion.runs.project import at_root
    from lion.runs.revision import open_revisions
    from lion.versions import show_estimate
    from lion.versions.estimate import costs, generator_so_far
    from lion.versions.plan import plan

    with at_root() as root, open_revisions(_HERE) as (here,):
        planned = plan(root, overrides)
        found = costs(planned, here.tables, generator_so_far(planned.params))
    if as_json:
        click.echo(_dump(show_estimate.as_json(planned, found)))
    else:
        click.echo(show_estimate.as_text(planned, found))


def _dump(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
