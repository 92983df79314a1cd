"""A killed training resumes without a word that alarms."""

import logging
from pathlib import Path

import pytest
import torch
from transformers.utils import logging as transformers_logging

from lion.params import Compute, load_params
from lion.student import resumable
from lion.student.models import LoadOptions, load_student
from lion.student.resumable import Resumable, keep_line, kept_lines
from lion.student.training import train
from tests.repository import ROOT
from tests.student.tiny import LESSONS

SETTINGS = load_params(ROOT / "params.yaml").imitate.model_copy(
    update={"epochs": 4, "batch": len(LESSONS)}
)


class Killed(Exception):
    """Stands for a kill after training and before the result was written."""


def _train(base: Path, home: Path) -> int:
    """Train in four steps, or in those that are left."""
    compute = Compute(checkpoint_steps=3)
    is_resumed = home.exists() and any(home.iterdir())
    with Resumable(home) as kept:
        losses = train(
            load_student(base),
            LESSONS,
            settings=SETTINGS,
            compute=compute,
            seed=1,
            label="imitate r0",
            resumable=kept,
        )
        if not is_resumed:
            raise Killed
    return losses.height


def test_a_cut_line_of_a_killed_run_spoils_no_later_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container, a later run often has the process id of the killed one."""
    keep_line(tmp_path, [1])
    [file] = tmp_path.iterdir()
    file.write_text(file.read_text() + "[2")
    monkeypatch.setattr(resumable, "_OWN", "later")
    keep_line(tmp_path, [3])
    assert sorted(kept_lines(tmp_path)) == [[1], [3]]


def test_training_in_another_number_type_begins_anew(tmp_path: Path, tiny_base: Path) -> None:
    keys = []
    for dtype, arithmetic in (
        (torch.float32, torch.float32),
        (torch.float32, torch.bfloat16),
        (torch.bfloat16, torch.bfloat16),
    ):
        loaded = load_student(tiny_base, options=LoadOptions(dtype=dtype))
        with Resumable(tmp_path) as kept:
            train(
                loaded,
                LESSONS,
                settings=SETTINGS,
                compute=Compute(checkpoint_steps=3),
                seed=1,
                label="imitate r0",
                arithmetic=arithmetic,
                resumable=kept,
            )
        keys.append(loaded.learnt)
    assert len(set(keys)) == 3


def test_tied_weights_are_not_called_missing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = ROOT / "data" / "base"  # one matrix for both ends, as in most small models
    lines: list[str] = []
    logger = logging.getLogger("transformers.trainer")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_warning()
    try:
        with pytest.raises(Killed):
            _train(base, tmp_path)
        assert _train(base, tmp_path) == 4
    finally:
        logger.removeHandler(handler)
        transformers_logging.set_verbosity(before)
    assert "imitate r0: 4/4 steps\n" in capfd.readouterr().err  # it began where the first ended
    assert not [line for line in lines if "missing keys" in line]
