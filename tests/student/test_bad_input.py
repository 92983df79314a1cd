"""What a user gets wrong ends the stage with one line and exit code 1."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from transformers import BertConfig, BertForMaskedLM

from lion.pools.tables import ANSWER, INSTRUCTION, from_rows, write_table
from lion.student.models import write_base
from stages.imitate import main
from tests.student.project import Project
from tests.student.tiny import make_tiny_base, make_tokenizer

LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": ["query_key_value"]}


def masked(project: Project) -> None:
    base = project.folder / "bert"
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertForMaskedLM(BertConfig(**small, intermediate_size=16)).save_pretrained(base)
    make_tokenizer().save_pretrained(base)
    write_base(project.folder / "base", base=str(base), revision=None)


def endless(project: Project) -> None:
    base = make_tiny_base(project.folder / "endless")
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    shutil.rmtree(project.folder / "base")
    for path in base.glob("tokenizer*"):
        path.unlink()
    tokenizer.save_pretrained(base)
    write_base(project.folder / "base", base=str(base), revision=None)


def matching_nothing(project: Project) -> None:
    project.set(imitate={"lora": LORA})


def of_another_base(project: Project) -> None:
    project.set(imitate={"epochs": 1, "lora": LORA | {"targets": ["q_proj"]}})
    project.here("imitate", project.imitate("r0"))
    told = project.folder / "r0" / "adapter_config.json"
    changed = json.loads(told.read_text()) | {"base_model_name_or_path": "other"}
    told.write_text(json.dumps(changed))
    shutil.rmtree(project.folder / "base")
    (project.folder / "r0").rename(project.folder / "base")


def empty(project: Project) -> None:
    write_table(project.folder / "pool.jsonl", from_rows([], INSTRUCTION), INSTRUCTION)
    write_table(project.folder / "answers.jsonl", from_rows([], ANSWER), ANSWER)


def two_for_one_row(project: Project) -> None:
    project.set(imitate={"batch": 1})


@pytest.mark.parametrize(
    ("spoil", "processes", "told"),
    [
        (masked, 1, "not a causal language model: its config.json names BertForMaskedLM"),
        (endless, 1, "has no end-of-text token"),
        (matching_nothing, 1, "imitate.lora.targets: ['query_key_value'] match no layer"),
        (of_another_base, 1, "an adapter of other, but base.json names the base"),
        (empty, 1, "the train pool has no complete answer"),
        (two_for_one_row, 2, "imitate.batch: 1 rows a step for 2 processes"),
    ],
)
def test_a_mistake_ends_training_with_one_line(
    spoil: Callable[[Project], None],
    processes: int,
    told: str,
    tmp_path: Path,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = Project(tmp_path, tiny_base)
    spoil(project)
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    result = CliRunner().invoke(main, project.imitate("out"))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert told in line
    assert not (tmp_path / "out").exists()
