"""`lion chat`: the student and the teacher answer the same question, side by side."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir
from functools import partial
from io import TextIOWrapper
from itertools import zip_longest
from pathlib import Path

import click
import polars as pl

from lion.chat import connect
from lion.imitate.teacher import teach
from lion.params import Params
from lion.pools.instructions import instruction_id
from lion.pools.rows import text_at
from lion.support.command_line import HELP
from lion.support.errors import EmptyError, InputError
from lion.support.progress import hidden
from lion.support.text import visible, width_of, wrapped

_NARROW = 72  # columns of a terminal below which the answers are printed one below the other
_GAP = "  │  "
Ask = Callable[[pl.DataFrame], pl.DataFrame]


@click.command(context_settings=HELP)
@click.argument("round_", metavar="ROUND")
@click.option(
    "--teacher/--no-teacher", default=True, show_default=True, help="Ask the teacher, too."
)
def chat(round_: str, teacher: bool) -> None:
    """Ask the student of ROUND (such as r3) and the teacher the same questions, side by side.

    Reads one question per line from the keyboard or standard input, until Ctrl-D; no question sees
    earlier ones. Both answer with the settings of params.yaml. The teacher's replies are kept in
    the response store and count against the budget, like those of a stage.
    """
    from lion.export.hub import places_of

    places = places_of(round_)
    if not places.student.is_dir():
        raise InputError(f"{places.student}: no such student; run `dvc repro` or `dvc pull`")
    params = places.params
    with ExitStack() as stack:
        stack.enter_context(chdir(places.root))  # the paths in params.yaml are relative to it
        asks = {f"student {round_}": _student(params, places.student, round_)}
        if teacher:
            session = stack.enter_context(connect(params, "teacher", stage="chat", round=round_))
            asks[f"teacher {params.model_of('teacher')}"] = partial(
                teach, chat=session, settings=params.teacher, label="chat"
            )
        for question in _questions():
            with hidden():
                answers = {name: _answer(ask, question) for name, ask in asks.items()}
            click.echo(side_by_side(answers, shutil.get_terminal_size().columns) + "\n")


def side_by_side(answers: dict[str, str], width: int) -> str:
    """Return answers under their names: in columns, or one below the other on a narrow terminal."""
    texts = {name: visible(text).expandtabs(4) for name, text in answers.items()}
    blocks = [[visible(name), "", *text.split("\n")] for name, text in texts.items()]
    if width < _NARROW or len(blocks) == 1:
        return "\n\n".join("\n".join(wrapped(block, width)) for block in blocks)
    column = (width - len(_GAP) * (len(blocks) - 1)) // len(blocks)
    rows = zip_longest(*(wrapped(block, column) for block in blocks), fillvalue="")
    padded = ([cell + " " * (column - width_of(cell)) for cell in row] for row in rows)
    return "\n".join(_GAP.join(row).rstrip() for row in padded)


def _student(params: Params, folder: Path, round: str) -> Ask:
    """Return a function that asks the student: its server, or the model, loaded once."""
    if params.student.engine == "server":
        from lion.student.respond import answer_with

        ask = partial(connect, role="student", stage="chat", round=round)
        return partial(answer_with, params, folder, connect=ask, label="chat")
    from lion.student.answering import answer_pool
    from lion.student.models import load_options, load_student

    options = load_options(params.student, params.compute, trained=False)
    return partial(
        answer_pool,
        load_student(folder, options=options),
        settings=params.student,
        compute=params.compute,
        seed=params.seed,
        label="chat",
    )


def _answer(ask: Ask, question: str) -> str:
    """Return the answer as text, with its finish_reason unless that is stop."""
    row = {"id": instruction_id(question, ""), "instruction": question, "input": ""}
    try:
        answer = ask(pl.DataFrame([row])).row(0, named=True)
    except EmptyError as error:
        return f"[{error.message}]"
    ended = answer["finish_reason"]
    return str(answer["answer"]) + ("" if ended == "stop" else f" [finish_reason: {ended}]")


def _questions() -> Iterator[str]:
    """Yield the lines that are not blank, as questions; InputError if one is not UTF-8."""
    if isinstance(sys.stdin, TextIOWrapper):  # text_at then reports the wrong bytes
        sys.stdin.reconfigure(errors="surrogateescape")
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt)
        except EOFError:
            return
        if question := text_at({"question": line}, "question", "standard input"):
            yield question
