"""The number of a step's requests whose replies are already in the response store."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from lion.chat import Reply, Request
from lion.chat.source import source_of
from lion.chat.store import Store
from lion.chat.wire import body_of, key_of
from lion.discriminate.referee import review
from lion.imitate.teacher import teach
from lion.params import Params, Role
from lion.pools.cache import with_answers, with_responses
from lion.runs.run import Tables
from lion.support.home import store_file
from lion.versions.plan import Plan, Step


class _Listed(Exception):
    """Raised instead of a reply, once the requests are known."""


@dataclass
class _Listing:
    """Records the first requests of a role without sending them."""

    requests: list[Request] = field(default_factory=list)

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        self.requests = list(requests)
        raise _Listed


def stored_requests(
    step: Step, plan: Plan, tables: Tables, kept: frozenset[str] = frozenset()
) -> int:
    """Count the requests of `step` that the store can answer; 0 if the step's input would change.

    Rows whose id is in `kept` need no request.
    """
    path = store_file()
    role: Role = "teacher" if step.word == "teach" else "referee"
    if step.word not in {"teach", "referee"} or _input_changes(step, plan) or not path.exists():
        return 0
    listed = first_requests(step, plan.params, tables)
    requests = [request for request in listed if step.word != "teach" or request.id not in kept]
    with Store(path) as store:
        return len(store.find([_key(plan.params, role, request) for request in requests]))


def _input_changes(step: Step, plan: Plan) -> bool:
    makers = {"teach": {"seed", "generate"}, "referee": {"respond"}}[step.word]
    return any(
        other.word in makers and (other.round == step.round or other.word == "seed")
        for other in plan.steps
    )


def first_requests(step: Step, params: Params, tables: Tables) -> list[Request]:
    """Return the requests that the step sends first, without retries."""
    listing = _Listing()
    with suppress(_Listed):
        if step.word == "teach":
            pool = tables.pool.filter(round=step.round)
            asked = tables.questions if step.round == "eval" else pool
            teach(asked, listing, params.teacher, label="")
        elif (responses := tables.responses.filter(round=step.round)).height:
            pool = tables.pool.join(tables.answers, on="id", how="semi", maintain_order="left")
            pairs = with_responses(with_answers(pool, tables.answers), responses)
            review(pairs, listing, params.referee, label="")
    return listing.requests


def _key(params: Params, role: Role, request: Request) -> bytes:
    body = body_of(request, params.model_of(role), params.endpoint_of(role))
    return key_of(request, body, source_of(params, role).identity)
