"""`lion export`: Hugging Face's own tools read what it writes."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import datasets
import polars as pl
import pytest
import yaml
from transformers import AutoModelForCausalLM

from lion.chat import UNCLEAR
from lion.export import cards, hub
from lion.export.hub import Places
from lion.export.rows import exported_rows, preferences
from lion.params import Params, load_params
from lion.pools.instructions import messages_of, task_text, turns_text
from lion.pools.seeds import read_seeds
from lion.runs.run import Tables, places_of, read_run
from lion.support.errors import InputError
from tests.report.synthetic import Size, make_run

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    make_run(tmp_path / "run", Size(rounds=3, seeds=30, new=6, questions=5))
    shutil.copy(ROOT / "dvc.yaml", tmp_path / "run")
    return read_run(places_of(tmp_path / "run"), ["r0", "r1", "r2"])


def write(
    params: Params, tables: Tables, out: Path, *, round: str = "r1", thoughts: bool = False
) -> Path:
    """Write the dataset of `round` to folder `out`."""
    rows = exported_rows(tables, round, thoughts=thoughts)
    hub.write_dataset(rows, provenance(params, tables, round), out)
    return out


def provenance(params: Params, tables: Tables, round: str = "r1") -> cards.Provenance:
    places = Places(ROOT, params, "abc", round, Path("student"))
    return hub.provenance(places, tables, exported_rows(tables, round), license="cc-by-nc-4.0")


@pytest.fixture
def dataset(params: Params, tables: Tables, tmp_path: Path) -> Path:
    return write(params, tables, tmp_path / "out")


def test_load_dataset_reads_both_pools(dataset: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    loaded = {
        name: datasets.load_dataset(str(dataset), name, cache_dir=cache)["train"]
        for name in cards.POOLS
    }
    assert {name: pool.num_rows for name, pool in loaded.items()} == {
        "train_pool": 6,
        "cache_pool": 36,
    }


def test_rows_have_the_teachers_answer(dataset: Path, tables: Tables) -> None:
    rows = [json.loads(line) for line in (dataset / "train_pool.jsonl").read_text().splitlines()]
    answers = dict(tables.answers.select("id", "answer").iter_rows())
    assert [row["output"] for row in rows] == [answers[row["id"]] for row in rows]


def test_rows_have_conversation_model_and_last_examination(dataset: Path, tables: Tables) -> None:
    rows = pl.read_ndjson(dataset / "cache_pool.jsonl", infer_schema_length=None)
    exams = tables.scores.filter(round="r1")
    responses = tables.responses.filter(round="r1").select("id", "answer")
    known = rows.drop_nulls("examined").join(exams, on="id", suffix="_exam")
    assert known.height == exams.height > 0
    assert known["verdict"].to_list() == known["verdict_exam"].to_list()
    assert known["teacher_score"].to_list() == known["teacher"].to_list()
    assert known["student_score"].to_list() == known["student"].to_list()
    examined = known.join(responses, on="id", how="left", maintain_order="left")
    assert examined["student_answer"].to_list() == examined["answer"].to_list()
    first = rows.row(0, named=True)
    task = task_text(first["instruction"], first["input"])
    assert first["messages"] == [
        {"role": "user", "content": task},
        {"role": "assistant", "content": first["output"]},
    ]
    models = dict(tables.answers.select("id", "model").iter_rows())
    assert rows["model"].to_list() == [models[id] for id in rows["id"]]


def test_a_rewritten_answer_takes_the_place_of_the_first(tables: Tables) -> None:
    ids = tables.pool.filter(round="r0")["id"].to_list()[:2]
    rows = [
        {"id": id, "answer": f"new in {round}", "finish_reason": "stop", "round": round}
        for id, round in ((ids[0], "r1"), (ids[0], "r2"), (ids[1], "r2"))
    ]
    new = pl.DataFrame(rows, schema=tables.rewrites.schema)
    changed = replace(tables, rewrites=new)
    rows_of_r1 = dict(exported_rows(changed, "r1").select("id", "output").iter_rows())
    before = dict(tables.answers.select("id", "answer").iter_rows())
    assert (rows_of_r1[ids[0]], rows_of_r1[ids[1]]) == ("new in r1", before[ids[1]])
    last = dict(changed.last_answers.select("id", "answer").iter_rows())
    assert [last[id] for id in ids] == ["new in r2", "new in r2"]


def test_scores_of_an_answer_that_was_rewritten_afterwards_keep_their_answer(
    tables: Tables,
) -> None:
    exams = tables.scores.filter(round="r1").filter(pl.col("gap") > 0)
    examined_in_r1 = exams["id"].to_list()[:2]
    rows = [
        {"id": id, "answer": "new", "finish_reason": "stop", "round": round}
        for id, round in zip(examined_in_r1, ("r1", "r0"), strict=True)
    ]
    changed = replace(tables, rewrites=pl.DataFrame(rows, schema=tables.rewrites.schema))
    exported = exported_rows(changed, "r1")
    texts = {
        id: texts for id, *texts in exported.select("id", "output", "judged_output").iter_rows()
    }
    after, before = examined_in_r1
    first = dict(tables.answers.select("id", "answer").iter_rows())
    assert texts[after] == ["new", first[after]]
    assert texts[before] == ["new", None]
    chosen = {row["id"]: row["chosen"][0]["content"] for row in preferences(exported).to_dicts()}
    assert (chosen[after], chosen[before]) == (first[after], "new")


def test_preference_pairs_have_the_form_of_dpo(dataset: Path, tmp_path: Path) -> None:
    pairs = pl.read_ndjson(dataset / "preferences.jsonl")
    rows = pl.read_ndjson(dataset / "cache_pool.jsonl", infer_schema_length=None)
    better = rows.filter(pl.col("gap") > 0, finish_reason="stop")
    assert pairs["id"].to_list() == better["id"].to_list()
    assert (pairs["score_chosen"] > pairs["score_rejected"]).all()
    for pair, row in zip(pairs.to_dicts(), better.to_dicts(), strict=True):
        assert [turn["role"] for turn in pair["prompt"]] == ["user"]
        assert pair["chosen"] == [{"role": "assistant", "content": row["output"]}]
        assert pair["rejected"] == [{"role": "assistant", "content": row["student_answer"]}]
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(str(dataset), "preferences", cache_dir=cache)["train"]
    assert loaded.num_rows == pairs.height > 0
    assert loaded[0]["chosen"] == pairs["chosen"].to_list()[0]


def test_thoughts_stand_in_columns_and_on_demand_in_the_conversations(
    params: Params, tables: Tables, tmp_path: Path
) -> None:
    first = pl.int_range(pl.len()) == 0
    thinking = replace(
        tables,
        answers=tables.answers.with_columns(thoughts=pl.when(first).then(pl.lit("hm"))),
        responses=tables.responses.with_columns(thoughts=pl.lit("well")),
    )
    for asked in (False, True):
        write(params, thinking, tmp_path / "out", thoughts=asked)
        rows = pl.read_ndjson(tmp_path / "out" / "cache_pool.jsonl", infer_schema_length=None)
        row, other = rows.head(2).to_dicts()
        assert (row["thoughts"], row["student_thoughts"]) == ("hm", "well")
        assert "hm" not in row["output"]
        block = "<think>\nhm\n</think>\n\n" if asked else ""
        assert row["messages"][1]["content"] == block + row["output"]
        assert other["messages"][1]["content"] == other["output"]
        pairs = (tmp_path / "out" / "preferences.jsonl").read_text()
        assert "<think>" not in pairs


def test_a_reply_with_unclear_thoughts_is_exported_without_its_text(
    params: Params, tables: Tables, tmp_path: Path
) -> None:
    first = pl.int_range(pl.len()) == 0
    marked = tables.answers.with_columns(
        finish_reason=pl.when(first).then(pl.lit(UNCLEAR)).otherwise("finish_reason")
    )
    write(params, replace(tables, answers=marked), tmp_path / "out")
    rows = pl.read_ndjson(tmp_path / "out" / "cache_pool.jsonl", infer_schema_length=None)
    row, other = rows.head(2).to_dicts()
    assert (row["output"], row["finish_reason"]) == ("", UNCLEAR)
    assert row["messages"][-1] == {"role": "assistant", "content": ""}
    assert other["output"] == tables.answers["answer"][1]


def test_without_thoughts_no_column_is_for_them(dataset: Path) -> None:
    assert "thoughts" not in (dataset / "cache_pool.jsonl").read_text()


def test_round_0_has_no_pairs(params: Params, tables: Tables, tmp_path: Path) -> None:
    write(params, tables, tmp_path / "first", round="r0")
    assert "config_name: preferences" not in (tmp_path / "first" / "README.md").read_text()
    assert not (tmp_path / "first" / "preferences.jsonl").exists()
    rows = pl.read_ndjson(tmp_path / "first" / "cache_pool.jsonl")
    assert rows["verdict"].is_null().all()


def test_the_card_tells_where_the_rows_come_from(dataset: Path, params: Params) -> None:
    card = (dataset / "README.md").read_text()
    seeds = hashlib.sha256((ROOT / params.seeds).read_bytes()).hexdigest()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "cc-by-nc-4.0"
    assert seeds in card
    assert "| r0 | seed | 30 |" in card
    assert "## Licence" in card


def test_the_student_loads_as_a_model(
    params: Params, tiny_base: Path, tables: Tables, tmp_path: Path
) -> None:
    out = tmp_path / "student"
    rows = exported_rows(tables, "r1")
    hub.write_student(tiny_base, rows, provenance(params, tables), out)
    assert AutoModelForCausalLM.from_pretrained(out).num_parameters() > 0
    assert yaml.safe_load((out / "README.md").read_text().split("---")[1])["library_name"]


def test_a_round_without_a_pool_is_refused(params: Params, tables: Tables, tmp_path: Path) -> None:
    empty = read_run(places_of(tmp_path / "run"), ["r0", "r1", "r2", "r3"])
    with pytest.raises(InputError, match="--round r3"):
        write(params, empty, tmp_path / "out", round="r3")


def test_conversations_have_system_prompt_and_earlier_turns(
    params: Params, tables: Tables, tmp_path: Path
) -> None:
    turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}]
    pool = tables.pool.with_columns(system=pl.lit("Be brief."), turns=pl.lit(turns_text(turns)))
    talking = replace(tables, pool=pool)
    write(params, talking, tmp_path / "talks")
    rows = pl.read_ndjson(tmp_path / "talks" / "cache_pool.jsonl", infer_schema_length=None)
    row = rows.row(0, named=True)
    before = [{"role": "system", "content": "Be brief."}, *turns]
    task = {"role": "user", "content": task_text(row["instruction"], row["input"])}
    assert row["messages"] == [*before, task, {"role": "assistant", "content": row["output"]}]
    assert row["system"] == "Be brief."
    pairs = pl.read_ndjson(tmp_path / "talks" / "preferences.jsonl")
    assert all(prompt[:-1].to_list() == before for prompt in pairs["prompt"])
    [again] = read_seeds(_first_line(tmp_path / "talks"), turns="last").seeds.values()
    assert messages_of(again.task) == (*before, task)


def _first_line(folder: Path) -> Path:
    path = folder / "first.jsonl"
    path.write_text((folder / "cache_pool.jsonl").read_text().splitlines()[0])
    return path


def test_only_an_earlier_export_is_replaced(dataset: Path, tmp_path: Path) -> None:
    hub.check_replaceable(dataset)
    hub.check_replaceable(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    hub.check_replaceable(tmp_path / "empty")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(dataset)
    for name in ("mine", "file", "link"):
        with pytest.raises(InputError, match=f"{name}: exists and is no export of Lion"):
            hub.check_replaceable(tmp_path / name)
