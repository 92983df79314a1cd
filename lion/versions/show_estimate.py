"""A cost estimate as text or JSON."""

from dataclasses import asdict
from typing import Any

from lion.support.text import table, visible
from lion.versions.estimate import StageCost
from lion.versions.plan import Plan

UNKNOWN = "unknown"
_CHANGES = 3  # causes shown per stage


def as_dict(plan: Plan, costs: list[StageCost]) -> dict[str, Any]:
    """Return the plan with its costs; unknown money and hours are None."""
    return {
        "stages": [{"stage": step.name, "changed": list(step.changed)} for step in plan.steps],
        "unchanged": plan.unchanged,
        "currency": plan.params.prices.currency if plan.params.prices else None,
        "costs": [asdict(cost) for cost in costs],
        "total": {
            "stored": sum(cost.stored for cost in costs),
            "requests": sum(cost.requests for cost in costs),
            "prompt_tokens": sum(cost.prompt_tokens for cost in costs),
            "completion_tokens": sum(cost.completion_tokens for cost in costs),
            "money": _sum([cost.money for cost in costs]),
            "hours": _sum([cost.hours for cost in costs]),
        },
    }


def as_text(plan: Plan, costs: list[StageCost]) -> str:
    """Return every stage that would run, why, and what it requests."""
    if not plan.steps:
        return f"Nothing to run: all {plan.unchanged} stages are up to date."
    by_stage = {cost.stage: cost for cost in costs}
    currency = plan.params.prices.currency if plan.params.prices else ""
    rows = [
        {"stage": visible(step.name), "because": _because(step.changed)}
        | (_cells(by_stage[step.name]) if step.name in by_stage else {})
        for step in plan.steps
    ]
    total = as_dict(plan, costs)["total"]
    if costs:
        rows.append({"stage": "total"} | _figures(total))
    columns = ["stage", "because", *(_figures(total) if costs else ())]
    if not total["stored"]:
        columns = [name for name in columns if name != "stored"]
    body = table([{"because": ""} | row for row in rows], columns, missing="")
    notes = [f"{len(plan.steps)} stages would run, {plan.unchanged} are unchanged."]
    notes += _notes(costs, currency)
    if own := visible(plan.params.judges_itself()):
        notes.append(f"{own[0].upper()}{own[1:]}.")
    if total["stored"]:
        notes.append("Stored replies are reused: they are not requested, or paid for, again.")
    return "\n".join([body, "", *notes])


def _notes(costs: list[StageCost], currency: str) -> list[str]:
    notes = ["An upper bound in one respect: DVC skips a stage whose inputs come out unchanged."]
    limited_costs = [cost for cost in costs if cost.basis == "text and limits"]
    if limited_costs:
        count = f"{len(limited_costs)} of {len(costs)} stages"
        notes.append(f"No past replies: the tokens of {count} come from text lengths and limits.")
    if any(cost.role == "generator" for cost in limited_costs):
        notes.append("The share of accepted drafts is unknown: at least one draft per instruction.")
    models = sorted({cost.model for cost in costs if cost.money is None})
    if models:
        notes.append(f"No price for {visible(', '.join(models))}: set prices: in params.yaml.")
    elif currency:
        notes.append(f"Money is in {currency}.")
    if any(cost.hours is None for cost in costs):
        notes.append("Hours need requests_per_minute or tokens_per_minute under endpoints:.")
    return notes


def _because(changed: tuple[str, ...]) -> str:
    more = f" and {len(changed) - _CHANGES} more" if len(changed) > _CHANGES else ""
    return visible(", ".join(changed[:_CHANGES])) + more


def _cells(cost: StageCost) -> dict[str, Any]:
    return _figures(asdict(cost))


def _figures(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "stored": figures["stored"],
        "requests": figures["requests"],
        "tokens in": figures["prompt_tokens"],
        "out": figures["completion_tokens"],
        "money": UNKNOWN if figures["money"] is None else f"{figures['money']:,.2f}",
        "hours": UNKNOWN if figures["hours"] is None else f"{figures['hours']:,.1f}",
    }


def _sum(values: list[float | None]) -> float | None:
    """Return the sum, or None if any part of it is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
