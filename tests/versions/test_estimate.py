"""`lion estimate`: what would be asked, from the plan, the tables and the parameters."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from lion.chat import connect
from lion.chat.types import Measured
from lion.chat.wire import body_of, most_tokens
from lion.imitate.teacher import teach
from lion.params import Params, Role, load_params
from lion.pools.instructions import turns_text
from lion.runs.run import Tables, places_of, read_run
from lion.versions import expected
from lion.versions.bounds import Bounds
from lion.versions.estimate import StageCost, first_requests, read_inputs, stage_costs
from lion.versions.expected import Inputs, Sizes
from lion.versions.plan import Plan, Step
from lion.versions.show_estimate import as_text
from tests.report.synthetic import Size, make_run
from tests.repository import ROOT
from tests.versions.conftest import Lion

Changes = dict[str, Any]
Estimated = Callable[..., StageCost]

# DVC reads a trie in a manner that its library is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


@pytest.fixture
def estimated(tmp_path: Path) -> Estimated:
    """The cost of one step of a run with 40 seeds, 10 new ones a round and 5 questions."""

    def of(name: str, *, rounds: int = 2, after: tuple[str, ...] = (), **changes: Any) -> StageCost:
        tables = _tables(tmp_path, rounds)
        plan = Plan(_params(tmp_path, changes), [*map(_step, after), _step(name)], unchanged=0)
        return stage_costs(plan, tables, {"generator": Measured(10, 50.0, 8.0, 0.5)})[-1]

    return of


def _tables(root: Path, rounds: int) -> Tables:
    make_run(root, Size(rounds=rounds, seeds=40, new=10, questions=5))
    (root / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    return read_run(places_of(root), ["r0", "r1", "r2", "r3"])


def _params(root: Path, changes: Changes) -> Any:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["generate"]["count"] = 25
    raw["model"] = "fake"
    for name, value in changes.items():
        raw[name] = {**raw[name], **value} if isinstance(raw.get(name), dict) else value
    path = root / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    return load_params(path)


def _step(name: str) -> Step:
    return Step.of(name, ("tau",))


def test_the_teacher_answers_the_train_pool(estimated: Estimated) -> None:
    cost = estimated("teach@r1")
    assert (cost.requests, cost.prompt_tokens, cost.completion_tokens) == (10, 300, 200)
    assert cost.basis == "past replies"


def test_a_pool_that_is_generated_anew_counts_as_ordered(
    estimated: Estimated,
) -> None:
    assert estimated("teach@r1", after=("generate@r1",)).requests == 25


def test_a_share_of_the_hard_rows_is_rewritten(estimated: Estimated) -> None:
    half = estimated("rewrite@r2", rewrite={"share": 0.5})
    blind = estimated("rewrite@r2", rewrite={"share": 0.5, "blind": True})
    assert (half.role, half.stage) == ("teacher", "rewrite@r2")
    assert 0 < half.requests == blind.requests < 25
    assert half.prompt_tokens > blind.prompt_tokens
    assert half.most.requests == 25 * (1 + 1)  # half of 50 rows, if all are hard, with a retry
    assert half.most.prompt_tokens > blind.most.prompt_tokens


def test_a_round_to_come_counts_as_ordered(estimated: Estimated) -> None:
    assert estimated("teach@r2").requests == 25


def test_the_referee_sees_the_cache_pool_in_both_orders(
    estimated: Estimated,
) -> None:
    assert estimated("referee@r2").requests == 2 * (40 + 10)
    assert estimated("referee@r3").requests == 2 * (40 + 10 + 25)


@pytest.mark.parametrize(
    ("rows", "first", "last"),
    [(20, 20, 20), (0.5, 20, 38), (1.0, 40, 75), (0, 0, 0), (999, 40, 75)],
)
def test_the_referee_sees_as_many_rows_as_are_examined(
    estimated: Estimated, rows: float, first: int, last: int
) -> None:
    changes: Changes = {"examine": {"rows": rows}, "sampling": {"by": "chance"}}
    costs = [estimated(name, **changes) for name in ("referee@r1", "referee@r3")]
    assert [cost.requests for cost in costs] == [2 * first, 2 * last]
    assert [cost.most.requests for cost in costs] == [3 * 2 * first, 3 * 2 * last]
    assert all(cost.most.prompt_tokens >= cost.prompt_tokens for cost in costs)


@pytest.mark.parametrize(
    ("name", "answers", "requests"),
    [("paper", "ask", 436_720), ("frugal", "ask", 88_720), ("frugal", "keep", 36_720)],
)
def test_what_a_preset_asks_at_the_papers_size(name: str, answers: str, requests: int) -> None:
    raw = yaml.safe_load((ROOT / "presets" / f"{name}.yaml").read_text())
    params = Params.model_validate({**raw, "seeds_answers": answers})
    seeds = pl.DataFrame({"instruction": [f"Task {n}" for n in range(52_000)], "input": ""})
    kept = frozenset(range(52_000)) if answers == "keep" else frozenset()
    inputs = Inputs(seeds, seeds.head(80), kept)  # type: ignore[arg-type]
    words = ("respond", "referee", "generate", "teach", "evaluate")
    later = [_step(f"{word}@{name}") for name in params.rounds for word in words]
    steps = [_step("seed@"), _step("teach@eval"), _step("teach@r0"), _step("evaluate@r0"), *later]
    costs = stage_costs(Plan(params, steps, 0), read_run({}, params.round_names), {}, inputs)
    assert sum(cost.requests for cost in costs) == requests


def test_a_second_order_is_expected_as_often_as_the_last_examination_tells(
    estimated: Estimated, monkeypatch: pytest.MonkeyPatch
) -> None:
    thrifty: Changes = {"examine": {"second_order": 1.0}}
    monkeypatch.setattr(expected, "MEASURED", 10)
    assert estimated("referee@r1", rounds=1, **thrifty).requests == 40 + 10 + 30 // 2
    known = estimated("referee@r2", **thrifty)
    assert 50 + 10 < known.requests < 2 * 50
    assert known.most.requests == 3 * 2 * 50
    monkeypatch.setattr(expected, "MEASURED", 300)
    assert estimated("referee@r3", **thrifty).requests == 2 * (40 + 10 + 25)  # all measure


def test_the_referee_is_expected_to_stop_at_enough_hard_rows(estimated: Estimated) -> None:
    few: Changes = {"examine": {"hard": 5}}
    assert estimated("referee@r1", rounds=1, **few).requests == 2 * 40  # nothing is known yet
    cost = estimated("referee@r3", **few)
    assert 2 * 5 <= cost.requests < 2 * 40
    assert cost.most.requests == 3 * 2 * (40 + 10 + 25)
    many: Changes = {"examine": {"hard": 1000}}
    assert estimated("referee@r2", **many).requests == 2 * (40 + 10)


def test_the_judge_sees_the_questions_as_often_as_its_setting_says(
    estimated: Estimated,
) -> None:
    assert estimated("evaluate@r1").requests == 2 * 5
    assert estimated("evaluate@r1", judge={"samples": 3}).requests == 6 * 5
    assert estimated("evaluate@r1", judge={"setting": 1, "samples": 1}).requests == 5


def test_retries_are_expected_at_each_roles_own_rate(tmp_path: Path) -> None:
    tables = _tables(tmp_path, 2)
    again = tables.judged.head(tables.judged.height // 2).with_columns(attempt=pl.lit(1, pl.Int64))
    tables = replace(tables, judged=pl.concat([tables.judged, again]))
    plan = Plan(_params(tmp_path, {}), [_step("evaluate@r1"), _step("referee@r2")], unchanged=0)
    requests = {cost.role: cost.requests for cost in stage_costs(plan, tables, {})}
    assert requests == {"judge": 2 * 5 * 1.5, "referee": 2 * (40 + 10)}


def test_own_answers_of_seeds_say_nothing_about_cut_ones(tmp_path: Path) -> None:
    tables = _tables(tmp_path, 2)
    is_own = pl.int_range(pl.len()) % 2 == 0
    is_cut = pl.int_range(pl.len()) % 4 == 1
    answers = tables.answers.with_columns(
        prompt_tokens=pl.when(~is_own).then("prompt_tokens"),
        finish_reason=pl.when(is_cut).then(pl.lit("length")).otherwise("finish_reason"),
    )
    plan = Plan(_params(tmp_path, {}), [_step("teach@r2")], unchanged=0)
    [cost] = stage_costs(plan, replace(tables, answers=answers), {})
    assert cost.requests == pytest.approx(25 * 1.5, abs=2)  # half of the requested ones were cut


def test_the_generator_draws_as_often_as_past_acceptance_tells(
    estimated: Estimated,
) -> None:
    cost = estimated("generate@r1")
    assert cost.requests >= 25
    assert cost.prompt_tokens == cost.requests * 50


def test_without_a_past_round_the_limits_stand_in(estimated: Estimated) -> None:
    cost = estimated("referee@r1", rounds=1, referee={"max_tokens": 100})
    assert cost.basis == "text and limits"
    assert cost.completion_tokens == cost.requests * 100
    thinking = {"default": {"thinking_tokens": 4000}}
    cost = estimated("referee@r1", rounds=1, referee={"max_tokens": 100}, endpoints=thinking)
    assert cost.completion_tokens == cost.requests * 4100


def test_money_without_a_price_is_unknown(estimated: Estimated) -> None:
    assert estimated("teach@r1", model="some-model").money is None


def test_money_is_tokens_times_price(estimated: Estimated) -> None:
    prices = {
        "currency": "USD",
        "date": "2026-01-01",
        "models": {"some-model": {"input": 10.0, "output": 20.0}},
    }
    cost = estimated("teach@r1", model="some-model", prices=prices)
    assert cost.money == pytest.approx((300 * 10 + 200 * 20) / 1e6)


def test_hours_follow_from_the_slower_of_both_limits(estimated: Estimated) -> None:
    limits = {"requests_per_minute": 5, "tokens_per_minute": 10}
    cost = estimated("teach@r1", endpoints={"default": limits})
    assert cost.hours == pytest.approx(500 / 10 / 60)


def test_what_the_store_has_already_is_not_asked_again(
    estimated: Estimated, tmp_path: Path
) -> None:
    pool = _tables(tmp_path, 2).pool.filter(round="r1")
    params = _params(tmp_path, {"model": "oracle"})
    with connect(params, "teacher", stage="teach", round="r1") as chat:
        teach(pool.head(4), chat, params.teacher, label="teach r1")
    cost = estimated("teach@r1", model="oracle")
    assert (cost.stored, cost.requests) == (4, 6)
    assert estimated("teach@r1", model="oracle", teacher={"temperature": 0.1}).stored == 0
    assert estimated("teach@r1", after=("generate@r1",), model="oracle").stored == 0


def test_hours_without_a_limit_are_unknown(estimated: Estimated) -> None:
    assert estimated("teach@r1").hours is None


def test_replies_of_the_oracle_say_nothing_about_another_model(tmp_path: Path) -> None:
    tables = _tables(tmp_path, 2)
    plan = Plan(_params(tmp_path, {"model": "oracle"}), [_step("teach@r1")], unchanged=0)
    assert stage_costs(plan, tables, {})[0].basis == "text and limits"


def test_hours_follow_from_the_pace_of_past_replies(estimated: Estimated) -> None:
    cost = estimated("generate@r1", endpoints={"default": {"concurrency": 2}})
    assert cost.hours == pytest.approx(cost.requests * 0.5 / 2 / 3600)


def test_a_student_behind_a_server_is_asked_too(estimated: Estimated) -> None:
    served = {"engine": "server", "model": "student"}
    cost = estimated("respond@r2", student=served)
    assert (cost.role, cost.requests) == ("student", 40 + 10)
    with pytest.raises(IndexError):
        estimated("respond@r2")


def test_the_bound_counts_every_retry_and_draw(estimated: Estimated) -> None:
    assert estimated("teach@r1", teacher={"retries": 3}).most.requests == 4 * 10
    assert estimated("referee@r2", referee={"retries": 2}).most.requests == 3 * 2 * (40 + 10)
    assert estimated("generate@r1", generate={"max_draws": 7}).most.requests == 7 * 25
    assert estimated("evaluate@r1", judge={"retries": 1, "samples": 3}).most.requests == 12 * 5


@pytest.mark.parametrize(("name", "role"), [("teach@r1", "teacher"), ("referee@r1", "referee")])
def test_the_bound_covers_system_prompts_and_earlier_turns(
    tmp_path: Path, name: str, role: Role
) -> None:
    tables = _tables(tmp_path, 2)
    turns = turns_text([{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi"}])
    talks = {"system": pl.lit("Be brief."), "turns": pl.lit(turns)}
    tables = replace(tables, pool=tables.pool.with_columns(**talks))
    params = load_params(ROOT / "params.yaml")
    step = _step(name)
    endpoint, settings = params.endpoint_of(role), getattr(params, role)
    asked = first_requests(step, params, tables)
    bodies = [body_of(request, "m", endpoint) for request in asked]
    sent = sum(most_tokens(body)[0] for body in bodies) * (1 + settings.retries)
    most = Bounds(Sizes(Plan(params, [step], 0), tables, None)).of(step, role)
    assert 0 < sent <= most.prompt_tokens


def test_a_stage_that_never_ran_is_planned_and_no_other(lion: Lion) -> None:
    told = json.loads(lion("estimate", "--json").output)
    assert told["stages"] == [{"stage": "report", "changed": ["never ran"]}]


@pytest.mark.parametrize("override", ["nothing=1", "tau", "tau=high", "rounds.r1=r5"])
def test_a_bad_override_is_one_line(lion: Lion, override: str) -> None:
    result = lion("estimate", "-S", override)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert override.partition("=")[0] in result.output


def test_overrides_leave_the_workspace_alone(lion: Lion) -> None:
    before = Path("params.yaml").read_bytes()
    lion("estimate", "-S", "tau=3")
    assert Path("params.yaml").read_bytes() == before


def test_names_of_models_and_causes_do_not_control_the_terminal(tmp_path: Path) -> None:
    params = _params(tmp_path, {"model": "evil\x1b[2J\u202emodel"})
    step = Step("teach@r1", "teach", "r1", ("\x1b]0;title\x07", "\x9b31m"))
    plan = Plan(params, [step], unchanged=0)
    text = as_text(plan, stage_costs(plan, _tables(tmp_path, 2), {}))
    assert "No price for evil⟦U+001B⟧[2J⟦U+202E⟧model" in text
    assert "⟦U+009B⟧31m" in text
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)


@pytest.mark.parametrize("after", [(), ("seed",)])
@pytest.mark.parametrize(("choice", "asked"), [("keep", 2), ("ask", 5)])
def test_a_kept_answer_costs_no_request(
    tmp_path: Path, after: tuple[str, ...], choice: str, asked: int
) -> None:
    rows = [{"instruction": f"Say {n}", "output": str(n) if n < 3 else ""} for n in range(5)]
    (tmp_path / "own.json").write_text(json.dumps(rows))
    (tmp_path / "data" / "eval").mkdir(parents=True)
    (tmp_path / "data" / "eval" / "oracle.jsonl").write_text('{"instruction": "Say hi."}')
    changes = {"seeds": "own.json", "seeds_answers": choice}
    steps = [*map(_step, after), _step("teach@r0")]
    plan = Plan(_params(tmp_path, changes), steps, unchanged=0)
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    tables = read_run(places_of(tmp_path), ["r0"])
    inputs = read_inputs(plan, tmp_path, tables)
    assert stage_costs(plan, tables, {}, inputs)[-1].requests == asked
