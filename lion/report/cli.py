"""`lion view`: the page of a whole run, or of two revisions side by side, in the browser."""

import webbrowser
from contextlib import ExitStack, chdir
from pathlib import Path

import click

from lion.support.command_line import HELP
from lion.support.errors import InputError
from lion.support.home import project_root


@click.command(context_settings=HELP)
@click.option(
    "--rev",
    "revisions",
    multiple=True,
    help="Commit, tag, branch or experiment instead of the workspace; give two to compare.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8400, show_default=True)
@click.option("--open/--no-open", "opens", default=False, help="Open a browser.")
def view(revisions: tuple[str, ...], port: int, opens: bool) -> None:
    """Show a run in a browser on this machine, with every instruction."""
    from lion.report.serve import Server, site_of

    if len(revisions) > 2:
        raise InputError(f"--rev: {len(revisions)} revisions given. Give one, or two to compare.")
    with chdir(project_root()), ExitStack() as stack:
        site = site_of(_fetched(revisions, stack) or [("workspace", Path())])
        try:
            server = stack.enter_context(Server(site, port))
        except OSError as error:
            raise InputError(
                f"--port: cannot use {port} ({error.strerror}). Use 0 for a free port."
            ) from None
        click.echo(f"{server.address}  (Ctrl-C ends)")
        if opens:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()


def _fetched(revisions: tuple[str, ...], stack: ExitStack) -> list[tuple[str, Path]]:
    """Each revision with a folder of its tables, which is deleted when `stack` closes."""
    if not revisions:
        return []
    from lion.runs.revision import open_revisions

    opened = stack.enter_context(open_revisions(*revisions))
    for revision in opened:
        click.echo(f"reading {revision.label} ...", err=True)
        revision.fetch()
    return [(revision.label, revision.folder) for revision in opened]
