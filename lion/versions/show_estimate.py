"""A cost estimate as text or JSON."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from lion.support.text import table, visible
from lion.versions.estimate import StageCost
from lion.versions.plan import Plan, Step

_UNKNOWN = "unknown"
_CHANGES = 3  # causes shown per stage


def as_dict(plan: Plan, costs: list[StageCost]) -> dict[str, Any]:
    """Return the plan with its costs; unknown money and hours are None."""
    rows = [asdict(cost) for cost in costs]
    counts = ("requests", "prompt_tokens", "completion_tokens")
    most = {name: sum(row["most"][name] for row in rows) for name in counts}
    total = {name: sum(row[name] for row in rows) for name in ("stored", *counts)}
    return {
        "stages": [{"stage": step.name, "changed": list(step.changed)} for step in plan.steps],
        "unchanged": plan.unchanged,
        "currency": plan.params.prices and plan.params.prices.currency,
        "costs": rows,
        "total": {
            **total,
            "money": _sum(cost.money for cost in costs),
            "hours": _sum(cost.hours for cost in costs),
            "most": {**most, "money": _sum(cost.most_money for cost in costs)},
        },
    }


def as_text(plan: Plan, costs: list[StageCost]) -> str:
    """Return a table of the stages that would run, with requests and reasons, and notes on it."""
    if not plan.steps:
        return f"Nothing to run: all {plan.unchanged} stages are up to date."
    total = as_dict(plan, costs)["total"]
    rows = [row for step in plan.steps for row in _rows(step, costs)]
    if costs:
        rows.append({"stage": "total"} | _figures(total))
    columns = ["stage", *(_figures(total) if costs else ()), "because"]
    if not total["stored"]:
        columns = [name for name in columns if name != "stored"]
    body = table([{"because": ""} | row for row in rows], columns, missing="")
    notes = [f"{len(plan.steps)} stages would run, {plan.unchanged} are unchanged."]
    notes += _notes(plan, costs, total["most"]) if costs else []
    if own := visible(plan.params.self_judging_notice()):
        notes.append(f"{own[0].upper()}{own[1:]}.")
    if total["stored"]:
        notes.append("Stored replies are reused: they are not requested, or paid for, again.")
    return "\n".join([body, "", *notes])


def in_one_line(plan: Plan, costs: list[StageCost]) -> str:
    """Return the totals of a run in one sentence."""
    total = as_dict(plan, costs)["total"]
    most, money, hours = total["most"], "money unknown (set prices:)", "hours unknown"
    if total["money"] is not None:
        money = f"{total['money']:,.2f} (at most {most['money']:,.2f}) {_currency(plan)}".strip()
    if total["hours"] is not None:
        hours = f"{total['hours']:,.1f} hours of requests"
    return (
        f"The run would take {total['requests']:,} requests (at most {most['requests']:,}),"
        f" {money}, {hours}, and the student's training. See `lion estimate`."
    )


def _currency(plan: Plan) -> str:
    return visible(plan.params.prices.currency) if plan.params.prices else ""


def _rows(step: Step, costs: list[StageCost]) -> list[dict[str, Any]]:
    """Return the step's table rows: one, or one for each role that it asks."""
    asked = [_figures(asdict(cost)) for cost in costs if cost.stage == step.name]
    first, *more = asked or [{}]
    others = f" and {len(step.changed) - _CHANGES} more" if len(step.changed) > _CHANGES else ""
    because = visible(", ".join(step.changed[:_CHANGES])) + others
    return [{"stage": visible(step.name), **first, "because": because}, *more]


def _notes(plan: Plan, costs: list[StageCost], most: dict[str, Any]) -> Iterator[str]:
    currency = _currency(plan) or "of money"
    of_money = "" if most["money"] is None else f", {most['money']:,.2f} {currency}"
    yield (
        f"At most {most['requests']:,} requests, {most['prompt_tokens']:,} tokens in,"
        f" {most['completion_tokens']:,} out{of_money}: with every retry and draw, and every reply"
        " as long as its limit. Set budget: in params.yaml to allow less."
    )
    yield "DVC skips a stage whose inputs come out unchanged."
    if limited := sum(cost.basis == "text and limits" for cost in costs):
        yield (
            f"The tokens of {limited} of {len(costs)} rows come from text lengths and limits, not"
            " from past replies, and include no retries or rejected drafts."
        )
    models = sorted({cost.model for cost in costs if cost.money is None})
    if models:
        yield f"No price for {visible(', '.join(models))}: set prices: in params.yaml."
    elif plan.params.prices:
        yield f"Money is in {_currency(plan)}."
    if any(cost.hours is None for cost in costs):
        limits = "requests_per_minute or tokens_per_minute under endpoints:"
        yield f"Hours need past replies, or {limits}."


def _figures(figures: dict[str, Any]) -> dict[str, Any]:
    money, hours = figures["money"], figures["hours"]
    return {
        "stored": figures["stored"],
        "requests": figures["requests"],
        "at most": figures["most"]["requests"],
        "tokens in": figures["prompt_tokens"],
        "out": figures["completion_tokens"],
        "money": _UNKNOWN if money is None else f"{money:,.2f}",
        "hours": _UNKNOWN if hours is None else f"{hours:,.1f}",
    }


def _sum(values: Iterable[float | None]) -> float | None:
    """Return the sum, or None if any part of it is unknown."""
    known = list(values)
    return None if None in known else sum(value or 0.0 for value in known)
