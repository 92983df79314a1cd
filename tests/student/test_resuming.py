"""A killed training resumes without a word that alarms."""

import logging
from pathlib import Path

import pytest
from transformers.utils import logging as transformers_logging

from lion.params import Compute, load_params
from lion.student.models import load_student
from lion.student.resumable import Resumable
from lion.student.training import train
from tests.repository import ROOT
from tests.student.tiny import LESSONS


class Killed(Exception):
    """Stands for a kill after training and before the result was written."""


def _train(base: Path, home: Path) -> int:
    """Train in four steps, or in those that are left."""
    settings = load_params(ROOT / "params.yaml").imitate.model_copy(
        update={"epochs": 4, "batch": len(LESSONS)}
    )
    compute = Compute(checkpoint_steps=3)
    is_resumed = home.exists() and any(home.iterdir())
    with Resumable(home) as resumable:
        losses = train(
            load_student(base),
            LESSONS,
            settings=settings,
            compute=compute,
            seed=1,
            label="imitate r0",
            resumable=resumable,
        )
        if not is_resumed:
            raise Killed
    return losses.height


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
