"""`lion view`: the page of a whole run, or of revisions side by side, in the browser."""

import webbrowser
from contextlib import ExitStack, chdir
from pathlib import Path

import click

from lion.support.command_line import HELP
from lion.support.errors import InputError
from lion.support.home import project_root

_MOST = 4  # revisions side by side


@click.command(context_settings=HELP)
@click.option(
    "--rev",
    "revisions",
    multiple=True,
    help="Commit, tag, branch or experiment instead of the workspace; give up to four to compare.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8400, show_default=True)
@click.option("--open/--no-open", "opens", default=False, help="Open a browser.")
def view(revisions: tuple[str, ...], port: int, opens: bool) -> None:
    """Show a run in a browser on this machine, with every instruction; also while it runs."""
    from lion.report.serve import Server
    from lion.report.site import Site, Workspace, site_of
    from lion.runs.revision import open_revisions

    if len(revisions) > _MOST:
        raise InputError(f"--rev: {len(revisions)} revisions given. Give up to {_MOST} to compare.")
    with chdir(project_root()), ExitStack() as stack:
        shown: Site | Workspace
        if revisions:
            opened = stack.enter_context(open_revisions(*revisions))
            for revision in opened:
                click.echo(f"reading {revision.label} ...", err=True)
                revision.fetch()
            roots = [(revision.label, revision.folder) for revision in opened]
            shown = site_of(roots, {revision.label: revision.origin for revision in opened})
        else:
            shown = Workspace(Path())
        try:
            server = stack.enter_context(Server(shown, port))
        except OSError as error:
            raise InputError(
                f"--port: cannot use {port} ({error.strerror}). Use 0 for a free port."
            ) from None
        click.echo(f"{server.address}  (press Ctrl-C to stop)")
        if opens:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()
