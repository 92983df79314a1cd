"""Contrast: DPO's loss on pairs, what it does to the student, and runs that are killed in it."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from lion.imitate.contrast import pairs_of
from lion.params import Compute, Contrast, Imitate
from lion.pools.instructions import turns_text
from lion.pools.tables import ANSWER, ANSWERED, LOSS, VERDICT, from_rows, read_table
from lion.student.batches import Collator, Pair, PairCollator
from lion.student.contrast import ContrastTrainer, answer_log_probs, contrast, encode_pairs
from lion.student.models import Loaded, load_student
from lion.student.template import Example
from lion.student.thoughts import ThoughtForm
from lion.student.training import train
from tests.student.project import Make, Project
from tests.student.tiny import LESSONS, make_tiny_base

SETTINGS = Imitate(
    epochs=4,
    learning_rate=1e-2,
    warmup=0.0,
    weight_decay=0.0,
    batch=4,
    max_length=40,
    contrast=Contrast(epochs=6, learning_rate=3e-3),
)
HARD = {"teacher": 9.0, "student": 2.0, "gap": 7.0, "verdict": "hard"}
COLOURS = {"red": "blue", "blue": "green", "green": "red"}  # right: wrong


def answered(id: str, task: str = "say red", answer: str = "red", **more: Any) -> dict[str, Any]:
    row = {"id": id, "instruction": task, "input": "", "origin": "seed", "round": "r0"}
    return row | {"parent": None, "answer": answer, "finish_reason": "stop"} | more


def response(id: str, answer: str, ending: str = "stop", **more: Any) -> dict[str, Any]:
    row = {"id": id, "answer": answer, "finish_reason": ending, "model": "student"}
    return row | {"prompt_tokens": 1, "completion_tokens": 1} | more


def pairs(
    cache: list[dict[str, Any]],
    responses: list[dict[str, Any]],
    scores: list[dict[str, Any]],
    **settings: Any,
) -> pl.DataFrame:
    return pairs_of(
        from_rows(cache, ANSWERED),
        from_rows(responses, ANSWER),
        from_rows(scores, VERDICT),
        Contrast(**settings),
        seed=1,
        round="r1",
    )


def wrong_rows(tasks: dict[str, tuple[str, str]]) -> pl.DataFrame:
    """Pairs of a task, the teacher's answer and the student's."""
    return pairs(
        [answered(task, task, right) for task, (right, _) in tasks.items()],
        [response(task, wrong) for task, (_, wrong) in tasks.items()],
        [{"id": task, **HARD} for task in tasks],
    )


def test_pairs_are_the_judged_hard_rows_with_two_different_answers() -> None:
    scores: dict[str, dict[str, Any]] = {
        "gap at tau": {"gap": 1.0},
        "easy": {"gap": 0.9, "verdict": "easy"},
        "unjudged": {"gap": None, "verdict": "unjudged"},
        "no number": {"gap": math.nan},
        "hard without gap": {"gap": None},
    }
    ids = [*scores, "same", "empty", "teacher cut", "no response", "no score", "last"]
    judged = [id for id in ids if id != "no score"]
    wrong = {"same": " red\n", "empty": " \n"}
    rows = pairs(
        [answered(id, finish_reason="length" if id == "teacher cut" else "stop") for id in ids],
        [response(id, wrong.get(id, "blue")) for id in reversed(ids) if id != "no response"],
        [{"id": id, **HARD, **scores.get(id, {})} for id in judged],
    )
    assert rows["id"].to_list() == ["gap at tau", "last"]
    assert rows.select("answer", "response").unique().rows() == [("red", "blue")]


def test_the_control_takes_the_wrong_answer_of_another_row() -> None:
    ids = [f"{number}" for number in range(9)]
    told = ([answered(id) for id in ids], [response(id, f"wrong {id}") for id in ids])
    rows = pairs(*told, [{"id": id, **HARD} for id in ids], wrong="other")
    given = [text.removeprefix("wrong ") for text in rows["response"]]
    assert rows["id"].to_list() == ids == sorted(given)
    assert all(giver != id for giver, id in zip(given, ids, strict=True))
    assert pairs(*told, [{"id": "3", **HARD}], wrong="other").is_empty()


@pytest.fixture
def loaded(tiny_base: Path) -> Loaded:
    return load_student(tiny_base)


def encoded(loaded: Loaded, rows: pl.DataFrame, limit: int = 40) -> list[Pair]:
    return encode_pairs(loaded, rows, limit, label="contrast r1")


def test_long_answers_are_cut_and_a_pair_without_room_is_left_out(
    loaded: Loaded, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "red " * 60
    rows = wrong_rows(
        {
            "say red": (long, "blue"),
            "say one": ("one", long),
            "say two": (long + "two", long + "blue"),  # equal where both are cut
            "say " * 40: ("red", "blue"),  # a prompt without room
        }
    )
    first, second = encoded(loaded, rows)
    assert (len(first.chosen), len(second.rejected)) == (40, 40)
    end = loaded.tokenizer.eos_token_id
    assert (first.chosen.answer[-1] == end, first.rejected.answer[-1] == end) == (False, True)
    line = "contrast r1: 2 pairs; 2 more have no difference within imitate.max_length=40 tokens\n"
    assert capsys.readouterr().out == line


def test_an_answer_that_the_student_did_not_end_has_no_end(loaded: Loaded) -> None:
    rows = pairs([answered("a")], [response("a", "blue blue", "length")], [{"id": "a", **HARD}])
    [pair] = encoded(loaded, rows)
    assert loaded.tokenizer.convert_ids_to_tokens(pair.rejected.answer) == ["blue", "blue"]
    assert loaded.tokenizer.convert_ids_to_tokens(pair.chosen.answer) == ["red", "<eos>"]


def test_such_an_answer_has_no_end_where_it_just_fits(loaded: Loaded) -> None:
    rows = pairs([answered("a")], [response("a", "blue blue", "length")], [{"id": "a", **HARD}])
    [whole] = encoded(loaded, rows)
    for limit in (len(whole.rejected), len(whole.rejected) + 1):
        [pair] = encoded(loaded, rows, limit)
        assert loaded.tokenizer.convert_ids_to_tokens(pair.rejected.answer) == ["blue", "blue"]


def test_marks_in_texts_stay_text_and_a_conversation_is_the_prompt(tmp_path: Path) -> None:
    words = ("Tier", "动物", "حيوان", "be", "brief")
    base = make_tiny_base(tmp_path / "base", chat=False, more=words)
    loaded = load_student(base)
    turns = turns_text(
        [{"role": "user", "content": "动物"}, {"role": "assistant", "content": "Tier"}]
    )
    rows = pairs(
        [answered("a", "حيوان", "Tier", system="be brief", turns=turns)],
        [response("a", "动物 <eos> <bot>")],
        [{"id": "a", **HARD}],
    )
    [pair] = encoded(loaded, rows)
    marks = {*loaded.tokenizer.all_special_ids} - {loaded.tokenizer.unk_token_id}
    assert not marks & {*pair.rejected.answer[:-1]}
    prompt = loaded.tokenizer.convert_ids_to_tokens(pair.chosen.prompt)
    assert [word for word in prompt if word in words] == ["be", "brief", "动物", "Tier", "حيوان"]
    assert pair.chosen.prompt == pair.rejected.prompt


def test_thoughts_stand_before_both_answers(loaded: Loaded) -> None:
    loaded.thoughts = ThoughtForm("one ", " two ")
    rows = pairs(
        [answered("a", thoughts="three")],
        [response("a", "blue", thoughts="green")],
        [{"id": "a", **HARD}],
    )
    [pair] = encoded(loaded, rows)
    texts = [
        loaded.tokenizer.convert_ids_to_tokens(side.answer) for side in (pair.chosen, pair.rejected)
    ]
    assert texts == [
        ["one", "three", "two", "red", "<eos>"],
        ["one", "green", "two", "blue", "<eos>"],
    ]


def log_prob(loaded: Loaded, row: Example) -> torch.Tensor:
    """The log-probability of an answer, token by token, without batch or padding."""
    total = torch.zeros((), dtype=torch.float64)
    for place, token in enumerate(row.answer):
        ids = torch.tensor([row.prompt + row.answer[:place]])
        logits = loaded.model(ids).logits[0, -1].double()
        total = total + logits[token] - logits.exp().sum().log()
    return total


@pytest.mark.parametrize("anchor", [0.0, 0.3])
def test_the_loss_is_dpos_formula(loaded: Loaded, anchor: float) -> None:
    rows = wrong_rows(
        {
            "say red": ("red", "blue one two three"),
            "say blue blue blue one": ("blue one red", "green"),
            "say": ("two", "two three"),
        }
    )
    margins = [0.7, -1.3, 0.0]
    made = [replace(p, margin=m) for p, m in zip(encoded(loaded, rows), margins, strict=True)]
    beta, count = 0.4, 5  # the step has two more pairs in other micro-batches
    plain = torch.zeros((), dtype=torch.float64)
    for pair in made:
        chosen, rejected = log_prob(loaded, pair.chosen), log_prob(loaded, pair.rejected)
        plain = plain - (1 / (1 + torch.exp(-beta * (chosen - rejected - pair.margin)))).log()
        plain = plain - anchor * chosen / len(pair.chosen.answer)
    trainer = ContrastTrainer.__new__(ContrastTrainer)
    trainer._beta, trainer._anchor, trainer._right = beta, anchor, 0.0
    batch = PairCollator(Collator(0))([(made, count)])
    loss = trainer.compute_loss(loaded.model, dict(batch))
    assert loss.item() == pytest.approx(plain.item() / count, abs=1e-6)
    gradients = [
        torch.autograd.grad(value, loaded.model.model.norm.weight)[0]
        for value in (loss, plain / count)
    ]
    assert torch.allclose(*gradients, atol=1e-6)
    nothing = PairCollator(Collator(0))([([], count)])
    assert trainer.compute_loss(loaded.model, nothing).item() == 0.0


def test_rows_end_to_end_have_the_log_probabilities_of_rows_apart(loaded: Loaded) -> None:
    rows = wrong_rows({"say red": ("red", "blue one"), "say": ("two", "one two three")})
    sides = [side for pair in encoded(loaded, rows) for side in (pair.chosen, pair.rejected)]
    with torch.no_grad():
        by_row = answer_log_probs(loaded.model, Collator(0)([sides]))
        end_to_end = answer_log_probs(loaded.model, Collator(0, flat=True)([sides]))
    assert torch.allclose(by_row, end_to_end, atol=1e-5)


TAUGHT = {
    f"say {right}{more}": (right, wrong)
    for right, wrong in COLOURS.items()
    for more in ("", " one", " two")
}
HELD = {f"say {right} three": (right, wrong) for right, wrong in COLOURS.items()}


@pytest.mark.parametrize("arithmetic", [torch.float32, torch.bfloat16])
def test_the_margin_grows_on_pairs_that_were_not_seen(
    loaded: Loaded, arithmetic: torch.dtype
) -> None:
    told: dict[str, Any] = {"settings": SETTINGS, "compute": Compute(micro_batch=3), "seed": 1}
    train(loaded, LESSONS, label="imitate", **told)

    def margin() -> float:
        with torch.no_grad():
            pairs = encoded(loaded, wrong_rows(HELD))
            return float(
                sum(log_prob(loaded, p.chosen) - log_prob(loaded, p.rejected) for p in pairs)
            )

    before = margin()
    losses = contrast(
        loaded, wrong_rows(TAUGHT), label="contrast r1", arithmetic=arithmetic, **told
    )
    assert margin() > before + 1
    assert losses["loss"][0] == pytest.approx(math.log(2), abs=1e-2)
    assert losses["loss"][-1] < losses["loss"][0]
    assert losses.height == math.ceil(6 * 9 / 4)
    assert losses["accuracy"][-1] == 1.0


def test_without_a_pair_it_takes_no_step(
    loaded: Loaded, capsys: pytest.CaptureFixture[str]
) -> None:
    none = wrong_rows({"say red": ("red", "red ")})
    losses = contrast(
        loaded, none, settings=SETTINGS, compute=Compute(), seed=1, label="contrast r1"
    )
    assert (losses.height, set(losses.columns)) == (0, {*LOSS, "seconds"})
    assert capsys.readouterr().out == "contrast r1: 0 pairs, so no training steps\n"


@pytest.fixture
def make(tmp_path: Path, tiny_base: Path) -> Make:
    return lambda **sections: Project(tmp_path, tiny_base, **sections)


def test_the_stage_says_what_it_left_out_and_marks_the_steps(make: Make) -> None:
    project = make(imitate={"epochs": 1, "contrast": {"batch": 3}})
    output = project.here("imitate", project.contrast("out"))
    assert "contrast r0: 8 pairs\n" in output
    losses = read_table(project.folder / "out.jsonl", LOSS)
    assert losses["step"].to_list() == [1, 2, 3, 4, 5]
    assert losses["accuracy"].is_null().to_list() == [True, True, False, False, False]
    project.here("imitate", project.imitate("without"))
    alone = read_table(project.folder / "without.jsonl", LOSS)
    assert alone.equals(losses[:2])
    assert "accuracy" not in (project.folder / "without.jsonl").read_text()


LORA = {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": ["q_proj", "v_proj"]}


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_run_killed_in_the_contrast_ends_with_the_same_weights(
    make: Make, lora: dict[str, object]
) -> None:
    settings = {"epochs": 2, "lora": lora, "contrast": {"epochs": 200}}
    project = make(imitate=settings, compute={"checkpoint_steps": 20})
    process = project.start("imitate", project.contrast("killed"))
    project.kill(process, when="checkpoint-20/whole")  # imitation has 3 steps
    assert not (project.folder / "killed").exists()
    output = project.here("imitate", project.contrast("killed"))
    assert "contrast r0: 8 pairs" in output
    assert not list((project.folder / "home" / "training").iterdir())

    project.set(compute={"checkpoint_steps": None})
    project.here("imitate", project.contrast("whole"))
    one, other = (project.folder / f"{name}.jsonl" for name in ("killed", "whole"))
    assert one.read_bytes() == other.read_bytes()
    name = "adapter_model.safetensors" if lora else "model.safetensors"
    killed, whole = ((project.folder / run / name).read_bytes() for run in ("killed", "whole"))
    assert killed == whole
