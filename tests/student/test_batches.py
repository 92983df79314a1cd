"""Steps are drawn at random and split with little padding; the split changes no loss."""

from pathlib import Path

import pytest
import torch

from lion.params import Compute, Imitate
from lion.student.batches import Collator, draw_steps, make_plan, split_step
from lion.student.models import LoadOptions, load_student
from lion.student.template import Example, encode_example
from lion.student.training import train

SETTINGS = Imitate(
    epochs=2, learning_rate=1e-2, warmup=0.0, weight_decay=0.0, batch=8, max_length=64
)
LENGTHS = [3, 40, 5, 9, 30, 4, 12, 6, 7, 21, 2, 5, 33]
ROWS = [Example([1] * (length - 1), [2]) for length in LENGTHS]
TASKS = ["say red", "what comes next one two three", "say blue blue blue", "say one"] * 3
ANSWERS = ["red", "one two three red blue", "blue", "two one"] * 3
LESSONS = list(zip(TASKS, ANSWERS, strict=True))


def padded(micros: list[list[Example]]) -> int:
    return sum(len(micro) * max(map(len, micro), default=0) for micro in micros)


def test_every_epoch_holds_every_row_once_in_its_own_order() -> None:
    rows = [Example([number], []) for number in range(20)]
    steps = draw_steps(rows, epochs=2, batch=8, seed=1)
    drawn = [row.prompt[0] for step in steps for row in step]
    assert sorted(drawn[:20]) == sorted(drawn[20:]) == list(range(20))
    assert drawn[:20] != drawn[20:]
    assert [len(step) for step in steps] == [8, 8, 8, 8, 8]


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 13, 16])
def test_a_step_is_split_whole_into_even_micro_batches(parts: int) -> None:
    micros = split_step(ROWS, parts)
    assert len(micros) == parts
    assert sorted(len(row) for micro in micros for row in micro) == sorted(LENGTHS)
    sizes = [len(micro) for micro in micros]
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] == max(sizes)  # the shortest rows


def test_sorting_by_length_saves_padding() -> None:
    drawn = [ROWS[start : start + 4] for start in range(0, len(ROWS), 4)]
    assert sum(LENGTHS) < padded(split_step(ROWS, 4)) < padded(drawn) < padded([ROWS])


def test_a_short_last_step_leaves_some_process_with_an_empty_row() -> None:
    micros = split_step(ROWS[:2], 4)
    assert sorted(len(micro) for micro in micros) == [0, 0, 1, 1]
    batch = Collator(0)([[]])
    assert batch["labels"].tolist() == [[-100]]


def losses(base: Path, **compute: object) -> torch.Tensor:
    told = Compute.model_validate(compute)
    made = train(
        load_student(base),
        LESSONS,
        settings=SETTINGS,
        seed=1,
        label="imitate",
        compute=told,
    )
    return torch.tensor(made["loss"].to_list())


@pytest.mark.parametrize(
    "compute", [{"micro_batch": 3}, {"activation_checkpointing": True}, {"attention": "eager"}]
)
def test_how_a_step_is_computed_changes_no_loss(
    tiny_base: Path, compute: dict[str, object]
) -> None:
    assert torch.allclose(losses(tiny_base), losses(tiny_base, **compute), atol=2e-5)


def test_rows_laid_end_to_end_do_not_see_each_other(tiny_base: Path) -> None:
    loaded = load_student(tiny_base, options=LoadOptions(attention="sdpa"))
    rows = [encode_example(loaded.tokenizer, *lesson) for lesson in LESSONS]
    with torch.inference_mode():
        apart = loaded.model(**Collator(0)([rows]), use_cache=False).loss
        flat = loaded.model(**Collator(0, flat=True)([rows]), use_cache=False).loss
    assert torch.allclose(apart, flat, atol=1e-5)


def test_bfloat16_arithmetic_learns_with_float32_weights(tiny_base: Path) -> None:
    loaded = load_student(tiny_base)
    more = SETTINGS.model_copy(update={"epochs": 30})
    made = train(
        loaded,
        LESSONS,
        settings=more,
        compute=Compute(),
        seed=1,
        label="x",
        arithmetic=torch.bfloat16,
    )
    assert loaded.model.dtype == torch.float32
    assert made["loss"][-1] < 0.5 < made["loss"][0]


def test_the_plan_counts_tokens_without_padding() -> None:
    plan = make_plan(ROWS, SETTINGS, Compute(micro_batch=4), seed=1)
    assert sum(plan.tokens) == 2 * sum(LENGTHS)
    assert (plan.accumulation, plan.rows, len(plan.micros)) == (2, 4, 2 * len(plan.tokens))
