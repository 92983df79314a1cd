"""`lion try`: the first look at one's own seeds and models."""

from typing import TYPE_CHECKING

import click

from lion.support.command_line import HELP

if TYPE_CHECKING:
    from lion.params import Params


@click.command("try", context_settings=HELP)
@click.option(
    "--seeds", "count", type=click.IntRange(1, 100), default=5, show_default=True, help="How many."
)
@click.option(
    "--loop",
    is_flag=True,
    help="Instead, play one round on a tenth of the rows, with the offline oracle.",
)
def try_(count: int, loop: bool) -> None:
    """Try a few of your seeds in every role, and say what the whole run would cost and take.

    Prints the teacher's answer, the answer of the untrained student, the scores of referee and
    judge, and one new instruction. The replies go into the response store, so that the run does
    not pay for them again. With --loop, nothing in the project changes.
    """
    from lion.runs.project import at_root

    with at_root() as root:
        if loop:
            from lion.versions.loop_trial import play_a_tenth

            click.echo(play_a_tenth(root))
            return
        from lion.params import load_params
        from lion.versions.cli import estimated
        from lion.versions.show_estimate import in_one_line
        from lion.versions.trial import as_text, try_roles

        params = load_params(root / "params.yaml")
        before = _spent(params)
        trial = try_roles(params, count)
        if trial.fault and trial.answers is None:  # there is nothing to show
            raise trial.fault
        click.echo()
        for line in as_text(trial, tau=params.tau):
            click.echo(line)
        requests, money = (after - past for after, past in zip(_spent(params), before, strict=True))
        price = f" and {money:.4f} {params.prices.currency}" if params.prices else ""
        whole = in_one_line(*estimated(()))
        click.echo(f"This trial took {requests:,.0f} requests{price}. {whole}")
        if trial.fault:
            raise trial.fault


def _spent(params: "Params") -> tuple[float, float]:
    """Return the requests of all trials so far, and their money where it is known."""
    from lion.chat.budget import Budget
    from lion.chat.store import Store
    from lion.support.home import store_home

    budget = Budget(params.prices, params.budget)
    with Store(store_home() / "replies.sqlite") as store:
        spent = [entry.spent() for entry in store.entries() if entry.stage == "try"]
    return sum(usage.requests for usage in spent), sum(budget.cost(usage) or 0 for usage in spent)
