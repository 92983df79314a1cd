"""`lion export`: a round in Hugging Face's form."""

from pathlib import Path

import click

from lion.support.command_line import HELP
from lion.support.errors import InputError


@click.command(context_settings=HELP)
@click.option("--round", "round_", required=True, metavar="rN", help="The round, such as r3.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write, `dataset` and `student` in it.  [default: exports/rN]",
)
@click.option(
    "--license",
    "license_",
    default="other",
    show_default=True,
    help="What the cards name: an identifier of the Hugging Face hub.",
)
@click.option("--dataset/--no-dataset", default=True, show_default=True, help="Write the pools.")
@click.option("--student/--no-student", default=True, show_default=True, help="Write the model.")
@click.option(
    "--thoughts/--no-thoughts",
    default=False,
    show_default=True,
    help="Put the teacher's thoughts before its answers in `messages` (teacher.thoughts: learn).",
)
def export(
    round_: str, out: Path | None, license_: str, dataset: bool, student: bool, thoughts: bool
) -> None:
    """Write a round's pools and student as folders that datasets and transformers load.

    Each has a card that tells where it comes from. An adapter is merged into its base. Nothing is
    uploaded.
    """
    from lion.export import cards, hub
    from lion.export.places import places_of
    from lion.params import load_params
    from lion.runs.revision import WORKSPACE, open_revisions

    places = places_of(round_)
    params = load_params(places.root / "params.yaml")
    target = out or Path("exports") / round_
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {target}: cannot be written ({error.strerror})") from None
    with open_revisions(WORKSPACE) as (here,):
        about = hub.provenance(
            params,
            here.tables,
            root=places.root,
            round=round_,
            commit=places.commit,
            license=license_,
        )
        if dataset:
            if thoughts and here.tables.answers["thoughts"].is_null().all():
                raise InputError("--thoughts: this run has none; it needs teacher.thoughts: learn")
            card = cards.dataset_card(about)
            hub.write_dataset(here.tables, about, target / "dataset", card, thoughts=thoughts)
            click.echo(f"{target / 'dataset'}: {sum(row['rows'] for row in about.rows):,} rows")
        if student:
            card = cards.model_card(about)
            hub.write_student(places.student, here.tables, about, target / "student", card)
            click.echo(f"{target / 'student'}: student of {round_}")
