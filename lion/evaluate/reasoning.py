"""AGIEval and BIG-Bench Hard through lm-eval: zero-shot, no chain of thought.

Accuracy is measured by the likelihood of the choices, and by the choice that a generated reply
names, as in the paper. Thoughts before a reply are cut off. Likelihoods are measured after empty
thoughts, and without the end token: a student may go on to explain its choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lion.evaluate.choices import Item, Suite, chance
from lion.evaluate.naming import named_choice
from lion.support.errors import InputError

if TYPE_CHECKING:
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    from lion.student.models import Loaded
    from lion.student.thoughts import ThoughtForm

KINDS = ("likelihood", "letter")
REPLY_TOKENS = 16
ASKED = "\n\nReply with the right choice alone, without an explanation.\nAnswer:"


@dataclass(frozen=True)
class TaskResult:
    """Accuracy on one task, in percent; `unread` counts replies that do not name one choice."""

    suite: Suite
    task: str
    items: int
    chance: float
    likelihood: float
    letter: float
    unread: float


def reason(
    loaded: "Loaded",
    suite: Suite,
    items: dict[str, list[Item]],
    *,
    batch: int,
    render: Callable[[str], str] | None = None,
    delimiter: str = "",
    thinking_tokens: int = 0,
) -> list[TaskResult]:
    """Return the student's accuracy on each task of `suite`.

    Prompts and choices have the token ids of Lion's training; with `render`, those of a rendered
    question, `delimiter` and choice. A student that thinks gets `thinking_tokens` more.
    """
    form, reading = loaded.thoughts, _Reading(loaded.thoughts, thinking_tokens)
    no_thoughts = form.before + form.between if form and render else ""
    rows = [
        {
            "task": task,
            "prompt": (prompt := (render or str)(item.question + ASKED)),
            "unthinking": prompt + no_thoughts,
            "choices": list(item.choices),
            "texts": item.texts,
            "right": item.choices.index(item.right),
        }
        for task, own in items.items()
        for item in own
    ]
    tasks = [_task(suite, kind, rows, reading, delimiter) for kind in KINDS]
    samples = _run(_model(loaded, batch, rendered=bool(render)), tasks, reading.tokens)
    return [_result(suite, task, own, samples, reading) for task, own in items.items()]


@dataclass(frozen=True)
class _Reading:
    """How long a generated reply may be, and which part of it is the answer."""

    form: "ThoughtForm | None"
    thinking_tokens: int

    @property
    def tokens(self) -> int:
        return REPLY_TOKENS + (self.thinking_tokens if self.form else 0)

    def choice(self, reply: str, doc: dict[str, Any]) -> str | None:
        """Return the choice that a reply names after its thoughts, if it names one."""
        if self.form:
            reply = self.form.split(reply, "", "stop").answer.split("\n\n")[0]
        return named_choice(reply, doc["choices"], doc["texts"])

    def score(self, doc: dict[str, Any], replies: list[str]) -> dict[str, float]:
        right = doc["choices"][doc["right"]]
        return {"acc": float(self.choice(replies[0], doc) == right)}


def mean_result(results: Sequence[TaskResult]) -> TaskResult:
    """Return the mean over tasks, as in the paper's tables, and the total number of items."""
    means = {
        figure: round(sum(getattr(result, figure) for result in results) / len(results), 2)
        for figure in ("chance", *KINDS, "unread")
    }
    items = sum(result.items for result in results)
    return TaskResult(suite=results[0].suite, task="mean", items=items, **means)


def _task(
    suite: Suite, kind: str, rows: list[dict[str, Any]], reading: _Reading, delimiter: str
) -> "ConfigurableTask":
    """Return all tasks of a suite as one lm-eval task; each sample carries its own task's name."""
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    config: dict[str, Any] = {
        "task": f"{suite}_{kind}",
        "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
        "test_split": "test",
        "num_fewshot": 0,
        "doc_to_text": "prompt" if kind == "letter" else "unthinking",
        "target_delimiter": delimiter,
        "metric_list": [{"metric": "acc"}],
    }
    if kind == "likelihood":
        config |= {
            "output_type": "multiple_choice",
            "doc_to_choice": "choices",
            "doc_to_target": "right",
        }
    else:
        config |= {
            "output_type": "generate_until",
            "doc_to_target": lambda doc: doc["choices"][doc["right"]],
            "generation_kwargs": {
                "until": [] if reading.form else ["\n\n"],
                "max_gen_toks": reading.tokens,
                "do_sample": False,
            },
            "process_results": reading.score,
        }
    return ConfigurableTask(config=config)


def _run(model: "HFLM", tasks: Sequence[Any], reply_tokens: int) -> dict[str, list[dict[str, Any]]]:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    if reply_tokens >= model.max_length:
        raise InputError(
            f"student.max_tokens: replies of {reply_tokens} tokens leave a prompt no room in the"
            f" model's context of {model.max_length}; lower it"
        )
    evaluated = simple_evaluate(
        model=model,
        tasks=list(tasks),
        task_manager=TaskManager(include_defaults=False),  # its own 13,000 tasks are slow to read
        bootstrap_iters=0,
    )
    samples: dict[str, list[dict[str, Any]]] = evaluated["samples"]
    return samples


def _result(
    suite: Suite,
    task: str,
    items: Sequence[Item],
    samples: dict[str, list[dict[str, Any]]],
    reading: _Reading,
) -> TaskResult:
    scored, generated = (
        [row for row in samples[f"{suite}_{kind}"] if row["doc"]["task"] == task] for kind in KINDS
    )
    if not len(scored) == len(generated) == len(items):
        raise InputError(f"{suite} {task}: {len(items)} items, but lm-eval gave other counts")
    unread = sum(reading.choice(row["resps"][0][0], row["doc"]) is None for row in generated)
    return TaskResult(
        suite=suite,
        task=task,
        items=len(items),
        chance=round(chance(items), 2),
        likelihood=_percent(scored),
        letter=_percent(generated),
        unread=round(100 * unread / len(items), 2),
    )


def _percent(rows: Sequence[dict[str, Any]]) -> float:
    return round(100 * float(sum(row["acc"] for row in rows)) / len(rows), 2)


def _model(loaded: "Loaded", batch: int, *, rendered: bool) -> "HFLM":
    """Return the student as an lm-eval model, for prompts that are `rendered`, or for questions."""
    from lm_eval.models.huggingface import HFLM

    from lion.student.template import encode_prompt
    from lion.student.thoughts import encode_thoughtful

    class Student(HFLM):  # type: ignore[misc]
        """Decodes a student's thoughts with the control tokens around them."""

        def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> str:
            if loaded.thoughts and skip_special_tokens:
                return loaded.thoughts.text_of(loaded.tokenizer, list(tokens))
            return str(super().tok_decode(tokens, skip_special_tokens))

    class Trained(Student):
        """Encodes a question as in training; the ids of its prompt's text could differ."""

        def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
            row = encode_thoughtful(loaded.tokenizer, loaded.thoughts, context, continuation)
            return row.prompt + row.answer[: row.thoughts], row.answer[row.thoughts : -1]

        def tok_batch_encode(
            self,
            strings: Sequence[str],
            padding_side: str = "left",
            left_truncate_len: int | None = None,
            truncation: bool = False,
        ) -> tuple[Any, Any]:
            rows = [encode_prompt(loaded.tokenizer, question) for question in strings]
            limit = left_truncate_len or max(map(len, rows))
            if cut := sum(len(row) > limit for row in rows):
                click.echo(
                    f"{cut} of {len(rows)} prompts are cut to their last {limit} tokens", err=True
                )
            padded = loaded.tokenizer.pad(
                {"input_ids": [row[-limit:] for row in rows]},
                padding_side=padding_side,
                return_attention_mask=True,
                return_tensors="pt",
            )
            return padded["input_ids"], padded["attention_mask"]

    kind = Student if rendered else Trained
    return kind(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch)
