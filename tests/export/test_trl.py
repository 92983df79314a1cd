"""TRL's trainers read what `lion export` writes as Lion does, and learn from it."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from transformers import Trainer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from lion.export import hub
from lion.export.hub import Places
from lion.export.rows import exported_rows
from lion.params import load_params
from lion.pools.instructions import task_text
from lion.runs.run import places_of, read_run
from tests.report.synthetic import Size, make_run
from tests.repository import ROOT

# transformers renamed options that TRL still uses by their old names.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
LAYOUT = "### Task\n{task}\n\n### Answer\n{answer}<|eos|>"  # Lion's own prompt template


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Folder with a round's dataset, and a student whose base had no chat template."""
    make_run(tmp_path / "run", Size(rounds=2, seeds=12, new=4, questions=3))
    shutil.copy(ROOT / "dvc.yaml", tmp_path / "run")
    shutil.copytree(ROOT / "data" / "base", tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    tables = read_run(places_of(tmp_path / "run"), ["r0", "r1"])
    places = Places(ROOT, load_params(ROOT / "params.yaml"), None, "r1", tmp_path / "base")
    rows = exported_rows(tables, "r1")
    about = hub.provenance(places, tables, rows, license="other")
    hub.write_dataset(rows, about, tmp_path / "dataset")
    hub.write_student(places.student, rows, about, tmp_path / "student")
    return tmp_path


def _rows(exported: Path, name: str) -> Dataset:
    cache = str(exported / "cache")
    return load_dataset(str(exported / "dataset"), name, cache_dir=cache)["train"]


def _one_step(exported: Path) -> dict[str, Any]:
    return {
        "output_dir": str(exported / "trained"),
        "max_steps": 1,
        "max_length": None,
        "per_device_train_batch_size": 4,
        "gradient_checkpointing": None,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
    }


def _learn(trainer: Trainer) -> float:
    """Train one step, which must change the weights; return the loss."""
    before = trainer.model.get_input_embeddings().weight.clone()
    loss = float(trainer.train().training_loss)
    after = trainer.model.get_input_embeddings().weight
    assert after.isfinite().all()
    assert (after != before).any()
    return loss


def _text(trainer: Trainer, ids: list[int]) -> str:
    return str(trainer.processing_class.decode(ids)).strip()


def test_sft_trains_on_task_and_answer(exported: Path) -> None:
    rows = _rows(exported, "cache_pool")
    trainer = SFTTrainer(
        str(exported / "student"), args=SFTConfig(**_one_step(exported)), train_dataset=rows
    )
    for row, read in zip(rows, trainer.train_dataset, strict=True):
        task = task_text(row["instruction"], row["input"])
        assert _text(trainer, read["input_ids"]) == LAYOUT.format(task=task, answer=row["output"])
    assert 0 < _learn(trainer) < math.inf


def test_dpo_trains_on_both_answers(exported: Path) -> None:
    rows = _rows(exported, "preferences")
    trainer = DPOTrainer(
        str(exported / "student"), args=DPOConfig(**_one_step(exported)), train_dataset=rows
    )
    for row, read in zip(rows, trainer.train_dataset, strict=True):
        [task] = row["prompt"]
        for side in ("chosen", "rejected"):
            [answer] = row[side]
            text = _text(trainer, read["prompt_ids"] + read[f"{side}_ids"])
            assert text == LAYOUT.format(task=task["content"], answer=answer["content"])
    # Policy and reference are the same model before the first step.
    assert _learn(trainer) == pytest.approx(math.log(2), abs=1e-4)
