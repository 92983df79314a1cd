"""The cost of a plan before it runs: requests, tokens, money and hours, with upper bounds.

If a role's model has replied before, mean tokens come from these replies; otherwise from text
lengths and the limits in params.yaml. Requests that turn out equal, such as those about equal
answers of two students, count separately, though only the first is paid for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import get_args

from lion.chat.budget import Budget, Usage, mode_of
from lion.chat.store import Store
from lion.chat.types import Measured
from lion.evaluate.questions import read_questions
from lion.params import Params, Role
from lion.pools.seeds import seeds_of
from lion.runs.run import Tables
from lion.support.home import store_file
from lion.versions.bounds import Bounds, Most
from lion.versions.expected import Basis, Expected, Inputs, Sizes, Tokens
from lion.versions.plan import Plan, Step
from lion.versions.stored import stored_requests

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

    `money` is None without a price, `hours` without a rate limit or a past reply. `most` is the
    upper bound.
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
    for step, role in _asking(plan):
        stored = 0 if role == "student" else stored_requests(step, plan, tables, kept)
        figures = (*expected.of(step, role), bounds.of(step, role))
        costs.append(_cost(plan.params, step, role, stored, *figures, past.get(role)))
    return costs


def _asking(plan: Plan) -> Iterator[tuple[Step, Role]]:
    """Yield each step with each role that it asks; a student only if a server runs it."""
    for step in plan.steps:
        if step.word == "rewrite" and not plan.params.rewrite.share:
            continue
        for role in _ROLES.get(step.word, ()):
            if role != "student" or plan.params.student.engine == "server":
                yield step, role


def replies_so_far(params: Params) -> dict[Role, Measured]:
    """Return the number, mean tokens and mean seconds of each role's replies in the store."""
    path = store_file()
    if not path.exists():
        return {}
    with Store(path) as store:
        measured = {role: store.measured(role, params.model_of(role)) for role in get_args(Role)}
    if params.model_of("judge") == params.model_of("referee") and not measured["judge"].count:
        measured["judge"] = measured[
            "referee"
        ]  # equal requests share one reply, filed under the first role
    return {role: replies for role, replies in measured.items() if replies.count}


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
    prompt, completion = (round(requests * mean) for mean in (each.prompt, each.completion))
    model, mode = params.model_of(role), mode_of(params, role)
    budget = Budget(params.prices, params.budget)
    share = (most.requests - stored) / most.requests if most.requests else 0.0
    most = most.scaled(share)
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
