"""`lion reasoning`: AGIEval and BIG-Bench Hard, zero-shot."""

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from lion.evaluate.candidates import TEMPLATES, load_any
from lion.evaluate.choices import Suite, read_hub_items, read_items
from lion.evaluate.reasoning import TaskResult, mean_result, reason
from lion.params import load_params
from lion.support.command_line import HELP, json_option, params_option
from lion.support.errors import InputError


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
    from lion.student.check import check_hub
    from lion.student.models import check_place, device

    if "hub" in suites.values():  # check the student before a long download of items
        check_place(student, revision)
        check_hub(student, revision)
    items = {
        suite: read_hub_items(suite) if source == "hub" else read_items(suite, Path(source))
        for suite, source in suites.items()
    }
    params = load_params(params_path)
    loaded = load_any(student, revision, params)
    if not getattr(loaded.model, "is_quantized", False):  # 4-bit weights are on the GPU already
        loaded.model.to(device(params.compute.device))  # type: ignore[arg-type]
    for suite, tasks in items.items():
        results = reason(
            loaded,
            suite,
            {task: rows[:limit] for task, rows in tasks.items()},
            batch=batch,
            render=None if template == "own" else lambda text: TEMPLATES[template](text, ""),
            delimiter=" " if template in ("raw", "vicuna") else "",  # before the answer
            thinking_tokens=params.student.max_tokens,
        )
        for result in [*results, mean_result(results)]:
            click.echo(json.dumps(asdict(result)) if as_json else _as_text(result))


def _as_text(result: TaskResult) -> str:
    return (
        f"{result.suite} {result.task:<42}{result.items:>6} items  chance {result.chance:5.1f}  "
        f"likelihood {result.likelihood:5.1f}  letter {result.letter:5.1f}  "
        f"unread {result.unread:5.1f}%"
    )
