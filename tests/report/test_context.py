"""System prompts and earlier turns on the page and in `lion trace`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser

from lion.pools.instructions import turns_text
from lion.pools.tables import INSTRUCTION, QUESTION, read_table, write_table
from lion.report.browse import Index, Questions
from lion.runs.run import Tables, places_of, read_run
from lion.versions.trace import as_text, trace
from tests.report.conftest import as_project, page_of
from tests.report.looking import looking_at
from tests.report.synthetic import Size, make_run

SYSTEM = "Speak <b>like</b> a\u202e pirate."
TURNS = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Ahoy!"}]
CONTEXT = {"system": pl.lit(SYSTEM), "turns": pl.lit(turns_text(TURNS))}
SHOWN = [
    {"role": "system", "content": "Speak <b>like</b> a⟦U+202E⟧ pirate."},
    *TURNS,
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose seeds and questions have system prompts and earlier turns."""
    folder = as_project(
        make_run(tmp_path_factory.mktemp("run"), Size(rounds=2, seeds=8, new=4, questions=3))
    )
    places = places_of(folder)
    for path, schema in (
        (places["pools"] / "r0.jsonl", INSTRUCTION),
        (places["questions"], QUESTION),
    ):
        write_table(path, read_table(path, schema).with_columns(**CONTEXT), schema)
    return folder


@pytest.fixture(scope="module")
def tables(root: Path) -> Tables:
    return read_run(places_of(root), ["r0", "r1"])


def test_details_show_what_stands_before(tables: Tables) -> None:
    [seed, *_], [new, *_] = (
        tables.pool.filter(round=name)["id"].to_list() for name in ("r0", "r1")
    )
    index = Index(tables)
    known, plain = index.detail(seed), index.detail(new)
    assert known
    assert plain
    assert known["before"] == SHOWN
    assert "before" not in plain
    question = Questions(tables).detail(tables.questions["id"][0])
    assert question
    assert question["before"] == SHOWN


def test_a_run_without_such_columns_has_details(tables: Tables) -> None:
    plain = replace(tables, pool=tables.pool.drop("system", "turns"))
    detail = Index(plain).detail(plain.pool["id"][0])
    assert detail
    assert "before" not in detail


def test_an_examination_shows_the_answer_that_was_judged(tables: Tables) -> None:
    examined = tables.scores.filter(round="r1")["id"][0]
    new = {"id": examined, "answer": "Rewritten.", "finish_reason": "stop", "model": "new"}
    old = tables.answers.filter(id=examined)["answer"].item()

    def detail(round: str) -> dict[str, Any]:
        rows = [dict.fromkeys(tables.rewrites.columns) | new | {"round": round}]
        rewrites = pl.DataFrame(rows, schema=tables.rewrites.schema)
        found = Index(replace(tables, rewrites=rewrites)).detail(examined)
        assert found
        return found

    assert detail("r1")["teacher"]["text"] == "Rewritten."
    assert detail("r1")["exams"][0]["judged"]["text"] == old
    assert "judged" not in detail("r0")["exams"][0]


def test_the_dialog_shows_them_as_text(root: Path, chromium: Browser, tables: Tables) -> None:
    (root / "index.html").write_text(page_of(root), encoding="utf-8")
    address = f"{(root / 'index.html').as_uri()}#i={tables.pool['id'][0]}"
    with looking_at(chromium, address) as page:
        text = page.inner_text("dialog")
        for part in ("system prompt", "Speak <b>like</b> a⟦U+202E⟧ pirate.", "Hi?", "Ahoy!"):
            assert part.lower() in text.lower()
        assert not page.query_selector("dialog b")


def test_trace_shows_the_conversation(tables: Tables) -> None:
    row = tables.pool.row(0, named=True)
    history = trace(tables, row["id"])
    assert (history["system"], history["turns"]) == (SYSTEM, turns_text(TURNS))
    text = as_text(history)
    head = "\n".join(
        [
            "  system:\n  | Speak <b>like</b> a⟦U+202E⟧ pirate.",
            "  user:\n  | Hi?",
            "  assistant:\n  | Ahoy!",
            f"  user:\n  | {row['instruction'].splitlines()[0]}",
        ]
    )
    assert head in text


def test_trace_knows_a_rejected_draft_by_its_system_prompt(tables: Tables) -> None:
    drafts = tables.draws.with_columns(verdict=pl.lit("too similar"), system=pl.lit("Be brief."))
    rejected = replace(tables, draws=drafts, pool=tables.pool.filter(round="r0"))
    history = trace(rejected, drafts["instruction"][0])
    assert history["system"] == "Be brief."
    assert "  system:\n  | Be brief." in as_text(history)
