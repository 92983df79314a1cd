"""A stage that fails in the same way in every process, as stages do on a user's mistake."""

import click

from lion.student.launch import rank, report_once
from lion.support.errors import InputError


@click.command()
@click.option("--own", is_flag=True, help="Fail in process 1 alone.")
@report_once()
def main(own: bool) -> None:
    """Fail."""
    if not own or rank() == 1:
        raise InputError("pool.jsonl: row 3 has no id; add it")


if __name__ == "__main__":
    main()
