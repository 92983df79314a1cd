"""`lion oracle serve`: the oracle for any client that speaks OpenAI's protocol over HTTP."""

import socket
from contextlib import closing

import click

from lion.support.command_line import HELP
from lion.support.errors import ChatError


@click.group(context_settings=HELP)
def oracle() -> None:
    """Run the offline language model, which solves its own families of tasks."""


@oracle.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--position-bias",
    default=0.3,
    show_default=True,
    type=click.FloatRange(0, 3),
    help="Points that the answer shown first gains from the referee.",
)
@click.option(
    "--unreadable",
    default=0.02,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the referee's replies without scores.",
)
def serve(host: str, port: int, position_bias: float, unreadable: float) -> None:
    """Serve the oracle until Ctrl+C; port 0 takes a free one."""
    import uvicorn

    from lion.oracle.app import create_app

    with closing(_listen(host, port)) as listening:
        name = f"[{host}]" if ":" in host else host
        click.echo(
            f"The oracle answers at http://{name}:{listening.getsockname()[1]}/v1 (model: oracle); "
            "press Ctrl+C to stop it."
        )
        app = create_app(position_bias=position_bias, unreadable=unreadable)
        config = uvicorn.Config(app, lifespan="off", log_level="warning")
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address; ChatError if it is taken or not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ChatError(
            f"oracle serve: cannot listen on {host} port {port}: {reason}; choose another --port"
        ) from None
