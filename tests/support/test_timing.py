"""Stages note how long they take and how far they have come."""

from pathlib import Path

import pytest

from lion.support.progress import Progress
from lion.support.timing import standing, timed, times


def _work(total: int, before: int) -> None:
    with Progress(total, "work", "steps", done=before) as bar:
        bar.advance(total - before)


@timed
def main(*, round_: str, total: int, before: int = 0) -> None:
    """Stand for a stage; its name is that of this file."""
    _work(total, before)
    _work(total, before)
    assert total


def test_a_stage_notes_its_time_and_the_share_that_it_did_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LION_HOME", str(tmp_path / "home"))
    main(round_="r1", total=4, before=3)
    main(round_="r2", total=4)
    first, second = times(tmp_path / "home", since=0)
    assert (first.stage, first.round, first.share) == ("test_timing", "r1", 0.25)
    assert (second.round, second.share) == ("r2", 1.0)
    assert second.seconds >= 0
    assert times(tmp_path / "home", since=second.ended) == []
    now = standing(tmp_path / "home")
    assert now
    assert (now.stage, now.round, now.unit, now.done, now.total) == (
        "test_timing",
        "r2",
        "steps",
        4,
        4,
    )


def test_a_stage_that_fails_notes_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LION_HOME", str(tmp_path / "home"))
    with pytest.raises(AssertionError):
        main(round_="r1", total=0)
    assert times(tmp_path / "home", since=0) == []


def test_notes_that_cannot_be_written_or_read_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LION_HOME", str(tmp_path / "file"))
    main(round_="r1", total=4)
    (tmp_path / "stages.jsonl").write_text("half a li")
    (tmp_path / "progress.json").write_text("[1]")
    assert times(tmp_path, since=0) == []
    assert standing(tmp_path) is None
