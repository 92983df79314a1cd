"""Where and how fast the roles are asked, what that costs and may cost."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from lion.params.record import Address, Positive, Record

_OWN = {
    *("model", "messages", "temperature", "seed", "max_tokens", "max_completion_tokens"),
    *("n", "best_of", "stream"),
}


class Endpoint(Record):
    """Where, how fast and in which dialect a role is asked; docs/chat.md tells every key.

    `timeout`, `patience` and `poll` are seconds: for a reply, without any reply before giving up,
    between two looks at a batch. `thinking_tokens` is room beside a role's max_tokens.
    """

    base_url: Address | None = None
    api_key_env: str = "OPENAI_API_KEY"
    mode: Literal["live", "batch"] = "live"
    concurrency: Positive = 32
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    timeout: Annotated[float, Field(gt=0)] = 120.0
    retries: Annotated[int, Field(ge=0, le=20)] = 8
    patience: Annotated[float, Field(gt=0)] = 600.0
    poll: Annotated[float, Field(gt=0)] = 30.0
    structured: bool = False
    thinking_tokens: Annotated[int, Field(ge=0)] = 0
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    omit: list[Literal["temperature", "seed"]] = Field(default_factory=list)
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("extra")
    @classmethod
    def _adds_only(cls, extra: dict[str, Any]) -> dict[str, Any]:
        """What lion sets itself, and what would cost more than it counts, is no extra."""
        if taken := sorted(_OWN & extra.keys()):
            raise ValueError(f"{', '.join(taken)} cannot be set here")
        return extra


class Price(Record):
    """Price of a model, for a million tokens; a batch costs half."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class Prices(Record):
    """What models cost: a currency, the day the prices were read, a price each.

    The day stands in quotes, since DVC cannot read a params.yaml with YAML dates.
    """

    currency: str
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    models: dict[str, Price]


class BudgetLimits(Record):
    """What may be spent on replies, all stages together; the request beyond it is not sent."""

    money: Annotated[float, Field(ge=0)] | None = None
    tokens: Annotated[int, Field(ge=0)] | None = None
    requests: Annotated[int, Field(ge=0)] | None = None
