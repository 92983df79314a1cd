"""The cost of a plan before it runs: requests, tokens, money and hours, with upper bounds.

If a role's model has replied before, mean tokens come from these replies; otherwise from text
lengths and the limits in params.yaml. Requests that turn out equal, such as those about equal
answers of two students, count separately, though only the first is paid for.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import get_args

from lion.chat import Reply, Request
from lion.chat.budget import Budget, Usage, mode_of
from lion.chat.source import source_of
from lion.chat.store import Store
from lion.chat.types import Measured
from lion.chat.wire import body_of, key_of
from lion.discriminate.referee import review
from lion.evaluate.questions import read_questions
from lion.imitate.teacher import teach
from lion.params import Params, Role
from lion.pools.cache import with_answers, with_responses
from lion.pools.seeds import seeds_of
from lion.runs.revision import WORKSPACE, open_revisions
from lion.runs.run import Tables
from lion.support.home import store_file
from lion.versions.bounds import Bounds, Most
from lion.versions.expected import Basis, Expected, Inputs, Sizes, Tokens
from lion.versions.plan import Plan, Step, plan_of

_ROLES: dict[str, tuple[Role, ...]] = {
    "teach": ("teacher",),
    "rewrite": ("teacher",),
    "respond": ("student",),
    "referee": ("referee",),
    "generate": ("generator",),
    "evaluate": ("student", "judge"),
}


@dataclass(frozen=True)
class StageCost:
    """One stage's requests to a role, without those whose replies are `stored` already.

    `money` and `hours` may be unknown: None. `most` is the upper bound.
    """

    stage: str
    role: Role
    model: str
    stored: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    basis: Basis
    money: float | None
    hours: float | None
    most: Most
    most_money: float | None


def estimated(overrides: Sequence[str] = ()) -> tuple[Plan, list[StageCost]]:
    """Return the plan and the costs of `dvc repro` in the project in the current folder."""
    with open_revisions(WORKSPACE) as (here,):
        planned = plan_of(Path.cwd(), overrides)
        tables = here.tables_on_hand(planned.lost)
        inputs = read_inputs(planned, Path(), tables)
        return planned, stage_costs(planned, tables, replies_so_far(planned.params), inputs)


def read_inputs(plan: Plan, root: Path, tables: Tables) -> Inputs | None:
    """Read seeds and questions if the plan needs them, else return None.

    It needs them to run `seed`, to know which answers `teach` keeps, or if `tables` lacks them.
    """
    params = plan.params
    is_kept = params.seeds_answers == "keep"
    steps = {(step.word, step.round) for step in plan.steps}
    is_known = tables.questions.height and "r0" in tables.pool["round"]
    is_read = any(word == "seed" for word, _ in steps) or (is_kept and ("teach", "r0") in steps)
    if not is_read and (is_known or not any(word in _ROLES for word, _ in steps)):
        return None
    path = root / params.seeds
    seeds = seeds_of(params, path)
    kept = seeds.kept(params.seeds_answers, path.name)
    questions = read_questions(root / params.evaluate.questions)
    longest = max(map(len, map(str.encode, kept["answer"])), default=0)
    return Inputs(seeds.frame, questions, frozenset(kept["id"]), longest)


def stage_costs(
    plan: Plan, tables: Tables, past: Mapping[Role, Measured], inputs: Inputs | None = None
) -> list[StageCost]:
    """Return the cost of every step that asks a model; `past` are means of the stored replies."""
    sizes = Sizes(plan, tables, inputs)
    expected, bounds = Expected(sizes, tables, past), Bounds(sizes)
    kept = inputs.kept if inputs else frozenset()
    costs = []
    for step in plan.steps:
        for role in _ROLES.get(step.word, ()):
            if role == "student" and plan.params.student.engine != "server":
                continue
            if step.word == "rewrite" and not plan.params.rewrite.share:
                continue
            stored = _stored(step, role, plan, tables, kept)
            figures = (*expected.of(step, role), bounds.of(step, role))
            costs.append(_cost(plan.params, step, role, stored, *figures, past.get(role)))
    return costs


def replies_so_far(params: Params) -> dict[Role, Measured]:
    """Return the number, mean tokens and mean seconds of each role's replies in the store."""
    path = store_file()
    if not path.exists():
        return {}
    with Store(path) as store:
        measured = {role: store.measured(role, params.model_of(role)) for role in get_args(Role)}
    if params.model_of("judge") == params.model_of("referee") and not measured["judge"].count:
        measured["judge"] = measured["referee"]  # equal requests share its replies
    return {role: replies for role, replies in measured.items() if replies.count}


class _Listing(Exception):
    """A role's chat that sends nothing: raised with the first requests, instead of replies."""

    requests: Sequence[Request] = ()

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        self.requests = requests
        raise self


def _stored(step: Step, role: Role, plan: Plan, tables: Tables, kept: frozenset[str]) -> int:
    """Count the requests of `step` that the store can answer; 0 if the step's input would change.

    Rows whose id is in `kept` need no request.
    """
    makers = {"teach": {"seed", "generate"}, "referee": {"respond"}}.get(step.word)
    changed = {other.word for other in plan.steps if other.round in (step.round, "")}
    if makers is None or makers & changed or not store_file().exists():
        return 0
    params, asked = plan.params, first_requests(step, plan.params, tables)
    model, endpoint = params.model_of(role), params.endpoint_of(role)
    identity = source_of(params, role).identity
    keys = [
        key_of(request, body_of(request, model, endpoint), identity)
        for request in asked
        if step.word != "teach" or request.id not in kept
    ]
    with Store(store_file()) as store:
        return len(store.find(keys))


def first_requests(step: Step, params: Params, tables: Tables) -> Sequence[Request]:
    """Return the requests that the teacher or the referee gets first in a step, without retries."""
    listing = _Listing()
    with suppress(_Listing):
        if step.word == "teach":
            pool = tables.pool.filter(round=step.round)
            asked = tables.questions if step.round == "eval" else pool
            teach(asked, listing, params.teacher, label="")
        elif (responses := tables.responses.filter(round=step.round)).height:
            pool = tables.pool.join(tables.answers, on="id", how="semi", maintain_order="left")
            pairs = with_responses(with_answers(pool, tables.answers), responses)
            review(pairs, listing, params.referee, label="")
    return listing.requests


def _cost(
    params: Params,
    step: Step,
    role: Role,
    stored: int,
    needed: int,
    each: Tokens,
    most: Most,
    past: Measured | None,
) -> StageCost:
    requests = max(0, needed - stored)
    prompt, completion = round(requests * each.prompt), round(requests * each.completion)
    model, mode = params.model_of(role), mode_of(params, role)
    budget = Budget(params.prices, params.budget)
    most = most.without(stored)
    return StageCost(
        stage=step.name,
        role=role,
        model=model,
        stored=stored,
        requests=requests,
        prompt_tokens=prompt,
        completion_tokens=completion,
        basis=each.basis,
        money=budget.cost(Usage(model, mode, requests, prompt, completion)),
        hours=_hours(params, role, requests, prompt + completion, past),
        most=most,
        most_money=budget.cost(Usage(model, mode, *astuple(most))),
    )


def _hours(
    params: Params, role: Role, requests: int, tokens: int, past: Measured | None
) -> float | None:
    """Estimate the hours from the rate limits and the pace of past replies; None without either.

    The time of a batch is never known.
    """
    if not requests:
        return 0.0
    limits = params.endpoint_of(role)
    pairs = [(requests, limits.requests_per_minute), (tokens, limits.tokens_per_minute)]
    minutes = [count / limit for count, limit in pairs if limit]
    if past:
        minutes.append(requests * past.seconds / min(limits.concurrency, requests) / 60)
    return max(minutes) / 60 if minutes and limits.mode == "live" else None
