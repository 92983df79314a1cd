"""A round examines as much of the cache pool as `examine` says, through the stages' commands."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lion.discriminate import examination, scores
from lion.params import load_params
from lion.pools.tables import ANSWER, ANSWER_LOSS, DRAW, INSTRUCTION, REVIEW, VERDICT, read_table
from lion.runs.figures import examined_text, metrics, round_rows
from lion.runs.rounds import as_text as rounds_text
from lion.runs.rounds import rounds_of
from lion.runs.run import read_run
from lion.support.errors import ParamsError
from lion.versions.trace import as_text as trace_text
from lion.versions.trace import trace
from tests.stages.player import ROOT, steps
from tests.stages.test_stages import change, lay_out, settings, step

BEFORE = ("seed", "teach-seed@r0", "imitate-seed@r0", "cache-seed@r0")
EXAM = ("respond@r1", "referee@r1", "discriminate@r1", "generate@r1")
SEEDS = 30


@pytest.fixture(scope="module")
def learnt_seeds(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose student has learnt the seeds, and that examined nothing yet."""
    folder = tmp_path_factory.mktemp("examination")
    params = settings(tiny_base)
    lay_out(folder, params)
    (folder / "data" / "questions").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LION_HOME", str(folder / "store"))
        for name in BEFORE:
            assert steps(params)[name].run().exit_code == 0
    return folder


@pytest.fixture
def folder(learnt_seeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(learnt_seeds, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def play(folder: Path, *names: str, **changes: Any) -> str:
    """Play stages with changed parameters; return what they print."""
    change(folder, **changes)
    output = ""
    for name in names:
        result = step(folder, name).run()
        assert result.exit_code == 0, f"{name}: {result.output}"
        output += result.output
    return output


def places(folder: Path) -> dict[str, Path]:
    names = (
        "answers",
        "losses",
        "replays",
        "responses",
        "difficulty",
        "reviews",
        "scores",
        "draws",
    )
    names = (*names, "draws", "evaluation")
    return {name: folder / "data" / name for name in names} | {"pools": folder / "data/pools/train"}


def responses(folder: Path) -> pl.DataFrame:
    return read_table(folder / "data/responses/r1.jsonl", ANSWER)


def verdicts(folder: Path) -> pl.DataFrame:
    return read_table(folder / "data/scores/r1.parquet", VERDICT)


@pytest.mark.parametrize(("rows", "count"), [(8, 8), (0.25, 8), (1.0, SEEDS), (999, SEEDS)])
def test_so_many_rows_are_answered_and_judged(folder: Path, rows: float, count: int) -> None:
    output = play(folder, *EXAM, examine__rows=rows)
    assert responses(folder).height == verdicts(folder).height == count
    reviews = read_table(folder / "data/reviews/r1.jsonl", REVIEW)
    assert reviews.filter(attempt=0).height == 2 * count
    assert ("are examined" in output) == (count < SEEDS)
    drawn = read_table(folder / "data/draws/r1.jsonl", DRAW)
    hard = drawn.filter(origin="hard")
    assert set(hard["parent"]) <= set(verdicts(folder).filter(verdict="hard")["id"])
    if count < SEEDS:  # the others are on the easy side
        assert set(drawn["parent"]) - set(verdicts(folder)["id"])


def test_an_answer_is_the_same_whoever_else_is_examined(folder: Path) -> None:
    play(folder, "respond@r1")
    whole = responses(folder)
    play(folder, "respond@r1", examine__rows=9)
    assert responses(folder).equals(
        whole.filter(pl.col("id").is_in(responses(folder)["id"].to_list()))
    )


def test_the_tables_and_the_texts_tell_how_many_were_judged(folder: Path) -> None:
    play(folder, *EXAM, examine__rows=8)
    tables = read_run(places(folder), ["r0", "r1"])
    rows = round_rows(tables)
    assert [(row["examined"], row["pool"]) for row in rows] == [(None, None), (8, SEEDS)]
    assert "Judged: 8 of 30 rows in r1." in examined_text(rows)
    assert (metrics(rows)["examined"], metrics(rows)["pool"]) == (8, SEEDS)
    assert "8/30" in rounds_text({"": rounds_of(tables)})
    left_out = set(tables.pool.filter(round="r0")["id"]) - set(responses(folder)["id"])
    history = trace(tables, min(left_out))
    assert history["examinations"] == []
    assert trace_text(history)


def test_without_a_limit_no_table_and_no_text_changes(folder: Path) -> None:
    play(folder, *EXAM)
    tables = read_run(places(folder), ["r0", "r1"])
    assert not {"examined", "pool"} & {*round_rows(tables)[1]}
    assert not examined_text(round_rows(tables))
    assert "judged " not in rounds_text({"": rounds_of(tables)}).replace("unjudged ", "")


def test_with_no_rows_nobody_is_asked_and_the_round_is_complete(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(folder / "data/students")  # nobody loads it
    output = play(folder, *EXAM, examine__rows=0, sampling__by="chance")
    assert "referee is not asked" in output
    assert responses(folder).height == verdicts(folder).height == 0
    pool = read_table(folder / "data/pools/train/r1.jsonl", INSTRUCTION)
    assert pool.height == load_params(folder / "params.yaml").generate.count
    assert set(pool["origin"]) == {"hard", "easy"}
    rows = round_rows(read_run(places(folder), ["r0", "r1"]))
    assert rows[1]["hard_share"] is rows[1]["mean_gap"] is None
    assert "Judged: 0 of 30 rows in r1." in examined_text(rows)


def test_with_no_rows_respond_imports_no_torch(folder: Path) -> None:
    change(folder, examine__rows=0, sampling__by="chance")
    respond = step(folder, "respond@r1")
    code = (
        "import sys; from stages.respond import main\n"
        f"main({list(respond.args)!r}, standalone_mode=False)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert responses(folder).height == 0


def test_chance_needs_no_verdicts_and_draws_from_every_answered_row(folder: Path) -> None:
    play(folder, *EXAM, examine__rows=2, sampling__by="chance", generate__count=20)
    drawn = read_table(folder / "data/draws/r1.jsonl", DRAW)
    assert len(set(drawn["parent"])) > 2


def test_few_rows_and_every_verdict_unreadable_end_in_a_line(folder: Path) -> None:
    play(folder, "respond@r1", examine__rows=3, oracle__unreadable=1.0)
    result = step(folder, "referee@r1").run()
    assert result.exit_code == 1
    assert "scored none of 3 pairs" in result.output


def test_parents_by_loss_pay_for_no_verdict(folder: Path) -> None:
    options = {"examine__rows": 0, "examine__loss": True, "sampling__by": "loss"}
    play(folder, *EXAM, **options, sampling__top=0.1)
    losses = read_table(folder / "data/difficulty/r1.parquet", ANSWER_LOSS)
    assert losses.height == SEEDS
    assert responses(folder).height == verdicts(folder).height == 0
    hardest = set(losses.sort("loss", descending=True)["id"].head(3))
    drawn = read_table(folder / "data/draws/r1.jsonl", DRAW)
    assert set(drawn.filter(origin="hard")["parent"]) <= hardest
    assert not set(drawn.filter(origin="easy")["parent"]) & hardest


def test_losses_change_neither_answers_nor_what_the_referee_decides(folder: Path) -> None:
    play(folder, *EXAM)
    files = [folder / "data" / name for name in ("responses", "reviews", "draws")]
    before = [(file / "r1.jsonl").read_bytes() for file in files]
    assert read_table(folder / "data/difficulty/r1.parquet", ANSWER_LOSS).height == 0
    play(folder, *EXAM, examine__loss=True)
    assert [(file / "r1.jsonl").read_bytes() for file in files] == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sampling__by": "loss"}, "sampling.by: loss needs the losses; set examine.loss: true"),
        ({"examine__rows": 0}, "sampling.by: referee needs verdicts"),
        (
            {
                "sampling__by": "loss",
                "examine__loss": True,
                "examine__rows": 0,
                "sampling__teacher_floor": 5.0,
            },
            "sampling.teacher_floor needs verdicts",
        ),
        ({"sampling__top": 0.0}, "sampling.top"),
    ],
)
def test_what_cannot_go_together_is_refused_before_anything_runs(
    folder: Path, changes: dict[str, Any], reason: str
) -> None:
    change(folder, **changes)
    with pytest.raises(ParamsError, match=reason):
        load_params(folder / "params.yaml")


REST = (
    "teach-questions",
    "teach@r1",
    "rewrite@r1",
    "replay@r1",
    "imitate@r1",
    "evaluate-seed@r0",
    "evaluate@r1",
)


@pytest.mark.usefixtures("few_measured")
def test_a_run_without_verdicts_and_a_thrifty_one_end_in_a_report(folder: Path) -> None:
    none: dict[str, Any] = {"examine__rows": 0, "examine__loss": True, "sampling__by": "loss"}
    assert "0/30" in play(folder, *EXAM, *REST, "report", **none)
    assert "Judged: 0 of 30 rows in r1." in (folder / "reports/index.html").read_text()
    few: dict[str, Any] = {"examine__rows": 20, "examine__second_order": 1.0}
    printed = play(folder, *EXAM, *REST, "report", **few, sampling__by="referee")
    assert "20/30" in printed
    assert re.search(r"\d+ \(0/\d+\)", printed)  # in one order, changed of checked
    assert "Judged in one order: " in (folder / "reports/index.html").read_text()
    figures = pl.read_csv(folder / "reports/tables/rounds.csv")
    assert figures["examined"].to_list() == [None, 20]


@pytest.fixture
def few_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few pairs measure the position bias that 30 seeds have others, too."""
    monkeypatch.setattr(examination, "MEASURED", 8)
    monkeypatch.setattr(scores, "_FEWEST", 4)


@pytest.mark.usefixtures("few_measured")
def test_rows_judged_in_one_order_are_flagged_and_told(folder: Path) -> None:
    play(folder, *EXAM)
    whole = verdicts(folder)
    output = play(folder, *EXAM, examine__second_order=1.0)
    assert "pairs are judged in both orders; the position bias is" in output
    thrifty = verdicts(folder)
    one = thrifty["orders"].count()
    assert 0 < one < SEEDS - 8
    assert thrifty["verdict"].equals(whole["verdict"])
    rows = round_rows(read_run(places(folder), ["r0", "r1"]))
    assert (rows[1]["one_order"], rows[1]["changed"]) == (one, 0)
    assert f"Judged in one order: {one} in r1 (0 of " in examined_text(rows)
    assert metrics(rows)["one_order"] == one
    id = thrifty.filter(orders=1)["id"][0]
    history = trace_text(trace(read_run(places(folder), ["r0", "r1"]), id))
    assert ", one order)" in history


@pytest.mark.usefixtures("few_measured")
def test_an_examination_goes_on_from_the_store_to_the_same_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = folder / "data/reviews/r1.jsonl"
    options: dict[str, Any] = {"examine__second_order": 1.0, "examine__rows": 25}
    play(folder, "respond@r1", "referee@r1", **options)
    whole = reviews.read_bytes()
    reviews.unlink()
    monkeypatch.setenv("LION_OFFLINE", "1")
    play(folder, "referee@r1")
    assert reviews.read_bytes() == whole
    monkeypatch.setenv("LION_HOME", str(folder / "another"))
    monkeypatch.delenv("LION_OFFLINE")
    play(folder, "respond@r1", "referee@r1", examine__rows=12)  # a part of the replies is there
    play(folder, "respond@r1", "referee@r1", examine__rows=25)
    assert reviews.read_bytes() == whole


@pytest.mark.parametrize("gap", [-9.5, 10, "tau"])
def test_a_second_order_around_no_gap_is_refused(folder: Path, gap: Any) -> None:
    change(folder, examine__second_order=gap)
    with pytest.raises(ParamsError, match=r"examine\.second_order"):
        load_params(folder / "params.yaml")


def test_the_referee_stops_once_enough_rows_are_hard(folder: Path) -> None:
    output = play(folder, *EXAM, examine__hard=3)
    judged = verdicts(folder)
    assert judged.height < SEEDS == responses(folder).height
    assert judged.filter(verdict="hard").height >= 3
    assert f"{judged.height} of 30 rows are judged" in output
    text = examined_text(round_rows(read_run(places(folder), ["r0", "r1"])))
    assert text == f"Judged: {judged.height} of 30 rows in r1."


def test_an_easy_pool_is_judged_in_full_and_told(folder: Path) -> None:
    output = play(folder, *EXAM, examine__hard=5, examine__hard_gap=9.0)
    assert verdicts(folder).height == SEEDS
    assert "The pool has fewer" in output


@pytest.mark.parametrize("option", ["hard", "second_order"])
def test_options_of_verdicts_without_any_are_refused(folder: Path, option: str) -> None:
    value = {"hard": 1, "second_order": 1.0}[option]
    changes: dict[str, Any] = {f"examine__{option}": value, "examine__rows": 0}
    change(folder, sampling__by="chance", **changes)
    with pytest.raises(ParamsError, match=rf"asks for no verdict; set {option}: null"):
        load_params(folder / "params.yaml")
