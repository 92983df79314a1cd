"""`lion reasoning`: AGIEval and BIG-Bench Hard, zero-shot."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from lion.evaluate.choices import Item, Suite, read_hub_items, read_items
from lion.evaluate.reasoning import TaskResult, mean_result, reason
from lion.evaluate.templates import TEMPLATES
from lion.params import load_params
from lion.support.command_line import HELP, json_option, params_option
from lion.support.errors import InputError

SPACED = ("raw", "vicuna")  # templates that put a space between the prompt and the answer


@click.command(context_settings=HELP)
@click.argument("student")
@click.option("--revision", help="Commit of a Hugging Face name.")
@click.option(
    "--template",
    type=click.Choice(["own", *TEMPLATES]),
    default="own",
    show_default=True,
    help="Prompt template; own: the template of Lion's students.",
)
@click.option("--agieval", help="Folder of AGIEval's JSONL files, or 'hub'.")
@click.option("--bbh", help="Folder of BIG-Bench Hard's JSON files, or 'hub'.")
@click.option("--limit", type=click.IntRange(min=1), help="Items per task, for a quick look.")
@click.option("--batch", default=8, show_default=True, help="Rows at a time; changes no result.")
@json_option("Print JSON, one line per task.")
@params_option("The student's precision, device and max_tokens (room for its thoughts).")
def reasoning(
    student: str,
    revision: str | None,
    template: str,
    limit: int | None,
    batch: int,
    as_json: bool,
    params_path: Path,
    **sources: str | None,
) -> None:
    """Measure the accuracy of STUDENT (a student's folder, a checkpoint, or a Hugging Face name).

    Prints the accuracy by likelihood of the choices, that by the choice that a generated reply
    names, and that of guessing.
    """
    suites = {suite: source for suite in get_args(Suite) if (source := sources[suite])}
    if not suites:
        raise click.UsageError("nothing to do: give --agieval FOLDER or --bbh FOLDER, or 'hub'")
    if importlib.util.find_spec("lm_eval") is None:
        raise InputError("lm-eval is not installed; run `pip install 'lion[reasoning]'`")
    if "hub" in suites.values():
        _check_student(student, revision)
    items = {suite: _items(suite, source, limit) for suite, source in suites.items()}
    params = load_params(params_path)

    from lion.evaluate.candidates import load_any
    from lion.student.models import device

    loaded = load_any(student, revision, params)
    if not getattr(loaded.model, "is_quantized", False):  # 4-bit weights are on the GPU already
        loaded.model.to(device(params.compute.device))  # type: ignore[arg-type]
    for suite, tasks in items.items():
        results = reason(
            loaded,
            suite,
            tasks,
            batch=batch,
            render=_renderer(template),
            delimiter=" " if template in SPACED else "",
            thinking_tokens=params.student.max_tokens,
        )
        for result in [*results, mean_result(results)]:
            click.echo(json.dumps(asdict(result)) if as_json else _as_text(result))


def _check_student(student: str, revision: str | None) -> None:
    """Check that the student can be loaded, before a long download of items."""
    from lion.student.check import check_hub
    from lion.student.models import check_place

    check_place(student, revision)
    check_hub(student, revision)


def _items(suite: Suite, source: str, limit: int | None) -> dict[str, list[Item]]:
    every_item = read_hub_items(suite) if source == "hub" else read_items(suite, Path(source))
    return {task: rows[:limit] for task, rows in every_item.items()}


def _renderer(template: str) -> Callable[[str], str] | None:
    """Return a function from a question to its prompt; None if the tokenizer has the template."""
    if template == "own":
        return None
    return lambda question: TEMPLATES[template](question, "")  # type: ignore[index]


def _as_text(result: TaskResult) -> str:
    return (
        f"{result.suite} {result.task:<42}{result.items:>6} items  chance {result.chance:5.1f}  "
        f"likelihood {result.likelihood:5.1f}  letter {result.letter:5.1f}  "
        f"unread {result.unread:5.1f}%"
    )
