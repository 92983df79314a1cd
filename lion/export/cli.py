"""`lion export`: a round's pools and student for Hugging Face."""

from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from lion.export.serving import (
    GGUF,
    MODELFILE,
    TYPES,
    Server,
    commands,
    find_converter,
    modelfile,
    write_gguf,
)
from lion.support.command_line import HELP
from lion.support.errors import InputError

if TYPE_CHECKING:
    from lion.export.hub import Places


@click.command(context_settings=HELP)
@click.option("--round", "round_", required=True, metavar="rN", help="The round, such as r3.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the folders `dataset` and `student`.  [default: exports/rN]",
)
@click.option(
    "--license",
    "license_",
    default="other",
    show_default=True,
    help="Licence that the cards name, an identifier of the Hugging Face hub.",
)
@click.option("--dataset/--no-dataset", default=True, show_default=True, help="Write the pools.")
@click.option("--student/--no-student", default=True, show_default=True, help="Write the model.")
@click.option(
    "--thoughts/--no-thoughts",
    default=False,
    show_default=True,
    help="Put the teacher's thoughts before its answers in `messages`; needs teacher.thoughts: "
    "learn.",
)
@click.option(
    "--gguf",
    type=click.Choice(TYPES),
    is_flag=False,
    flag_value="auto",
    help="Also write the model for llama.cpp, Ollama and LM Studio, in this number type; default: "
    "the model's own.",
)
@click.option(
    "--to",
    "server",
    type=click.Choice(get_args(Server)),
    help="Print the commands that serve the model there; ollama implies --gguf.",
)
def export(
    round_: str,
    out: Path | None,
    license_: str,
    dataset: bool,
    student: bool,
    thoughts: bool,
    gguf: str | None,
    server: Server | None,
) -> None:
    """Write a round's pools and student as folders that datasets and transformers load.

    Each has a card with its provenance. An adapter is merged into its base. Nothing is uploaded.
    """
    from lion.export.hub import places_of

    kind = gguf or ("auto" if server == "ollama" else None)
    converter = find_converter() if kind else None
    places = places_of(round_)
    target = out or Path("exports") / round_
    if Path.cwd() != places.root:
        target = target.absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {target}: cannot be written ({error.strerror})") from None
    with chdir(places.root):  # paths in params.yaml and in student folders are relative to it
        _write_folders(
            places, target, license_, dataset=dataset, student=student, thoughts=thoughts
        )
        if not kind and not server:
            return
        if not (target / "student").is_dir():
            raise InputError(f"{target / 'student'}: no exported student; remove --no-student")
        if converter and kind:
            _write_gguf(places, target, converter, kind, with_modelfile=server == "ollama")
    for line in commands(server or "llama.cpp", target, f"lion-{round_}"):
        click.echo(line)


def _write_folders(
    places: "Places", target: Path, license: str, *, dataset: bool, student: bool, thoughts: bool
) -> None:
    from lion.export import hub
    from lion.export.rows import exported_rows
    from lion.runs.revision import WORKSPACE, open_revisions

    for name in ["dataset"] * dataset + ["student"] * student:
        hub.check_replaceable(target / name)
    with open_revisions(WORKSPACE) as (here,):
        rows = exported_rows(here.tables, places.round, thoughts=thoughts)
        about = hub.provenance(places, here.tables, rows, license=license)
    if dataset:
        if thoughts and "thoughts" not in rows.columns:
            raise InputError("--thoughts: this run has none; set teacher.thoughts: learn")
        hub.write_dataset(rows, about, target / "dataset")
        click.echo(f"{target / 'dataset'}: {rows.height:,} rows")
    if student:
        hub.write_student(places.student, rows, about, target / "student")
        click.echo(f"{target / 'student'}: student of {places.round}")


def _write_gguf(
    places: "Places", target: Path, converter: Path, kind: str, *, with_modelfile: bool
) -> None:
    from lion.student.served import layout_of, vocabulary_of

    file = target / GGUF
    write_gguf(
        target / "student",
        file,
        converter=converter,
        kind=kind,
        name=f"lion-{places.round}",
        vocabulary=vocabulary_of(places.student, target / "student"),
    )
    click.echo(f"{file}: {file.stat().st_size / 1e6:,.0f} MB, numbers: {kind}")
    if with_modelfile:
        layout = layout_of(target / "student")
        text = modelfile(layout, temperature=places.params.student.temperature)
        (target / MODELFILE).write_text(text, encoding="utf-8")
        click.echo(f"{target / MODELFILE}: the prompt template for Ollama")
