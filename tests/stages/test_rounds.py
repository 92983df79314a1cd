"""Two rounds through the stages: each draws, asks and stores what is its own."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from lion.pools.tables import DRAW, read_table
from tests.stages.player import steps
from tests.stages.test_stages import lay_out, settings


@pytest.fixture(scope="module")
def two_rounds(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project played up to the generation of round 2, with one response store."""
    folder = tmp_path_factory.mktemp("rounds")
    params = settings(tiny_base)
    params["rounds"] = {"r1": "r0", "r2": "r1"}
    params["generate"]["count"] = 20
    lay_out(folder, params)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LION_HOME", str(folder / "store"))
        for name, step in steps(yaml.safe_load((folder / "params.yaml").read_text())).items():
            if name.split("@")[0] not in {"evaluate", "evaluate-seed", "report"}:
                result = step.run()
                assert result.exit_code == 0, f"{name}: {result.output}"
    return folder


def test_a_parent_drawn_again_gets_another_draft_in_each_round(two_rounds: Path) -> None:
    first, second = (
        read_table(two_rounds / f"data/draws/{name}.jsonl", DRAW).with_columns(
            turn=pl.int_range(pl.len()).over("origin", "parent")
        )
        for name in ("r1", "r2")
    )
    again = first.join(second, on=["origin", "parent", "turn"])
    assert again.height >= 3
    assert again.filter(pl.col("instruction") == pl.col("instruction_right")).height == 0
