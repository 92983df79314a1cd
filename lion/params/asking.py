"""How Lion reaches the models, what they cost, and the budget."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from lion.params.record import Address, Positive, Record

_RESERVED = {
    *("model", "messages", "temperature", "seed", "max_tokens", "max_completion_tokens"),
    *("n", "best_of", "stream"),
}


class Endpoint(Record):
    """The server of a role: its address, its limits and its dialect; see docs/chat.md.

    `api_key_env` is None if no variable is named, and "" if no key may be sent. `timeout` is
    seconds for one reply, `patience` seconds without any reply before the stage fails, and `poll`
    seconds between two checks of a batch. `thinking_tokens` are added to a role's max_tokens;
    `most_tokens` is the most that the server accepts for a reply.
    `identity` names the server in the store's keys; by default it is the URL without the port.
    """

    base_url: Address | None = None
    identity: Annotated[str, Field(min_length=1)] | None = None
    api_key_env: str | None = None
    mode: Literal["live", "batch"] = "live"
    concurrency: Positive = 32
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    timeout: Annotated[float, Field(gt=0)] = 120.0
    retries: Annotated[int, Field(ge=0, le=20)] = 8
    patience: Annotated[float, Field(gt=0)] = 600.0
    poll: Annotated[float, Field(gt=0)] = 30.0
    structured: bool = True
    thinking_tokens: Annotated[int, Field(ge=0)] = 0
    most_tokens: Positive | None = None
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    omit: list[Literal["temperature", "seed", "stream_options"]] = Field(default_factory=list)
    system: Literal["role", "fold"] = "role"
    stream: bool = False
    extra: dict[str, Any] = Field(default_factory=dict)

    @field_validator("extra")
    @classmethod
    def _has_no_reserved_key(cls, extra: dict[str, Any]) -> dict[str, Any]:
        """Reject fields that Lion sets itself or that cost more than it counts, and non-JSON."""
        if reserved := sorted(_RESERVED & extra.keys()):
            raise ValueError(f"{', '.join(reserved)} cannot be set here")
        try:
            json.dumps(extra, allow_nan=False)
        except (TypeError, ValueError) as error:  # such as an unquoted date
            raise ValueError(f"not JSON, as a request is: {error}") from None
        return extra

    def over(self, base: "Endpoint") -> "Endpoint":
        """Lay this endpoint over `base`, field by field.

        A key and an identity belong to one server, so an endpoint with another server does not
        inherit them.
        """
        own = self.model_dump(exclude_unset=True)
        if own.get("base_url", base.base_url) != base.base_url:
            own.setdefault("api_key_env", "")
            own.setdefault("identity", None)
        return base.model_copy(update=own)


Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]  # of money


class Price(Record):
    """The price of a model per million tokens; a batch costs half."""

    input: Amount
    output: Amount
    cached: Amount | None = None  # prompt tokens from the server's cache; by default, as input

    @field_validator("cached")
    @classmethod
    def _is_no_surcharge(cls, cached: float | None, info: ValidationInfo) -> float | None:
        """Reject a price above `input`, since the budget bounds a request by the price of input."""
        if cached is not None and cached > info.data.get("input", cached):
            raise ValueError("cached prompt tokens cannot cost more than input")
        return cached


class Prices(Record):
    """The prices of models, their currency, and the day they were read.

    The day is quoted, since DVC cannot read a params.yaml with YAML dates.
    """

    currency: str
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    models: dict[str, Price]


class BudgetLimits(Record):
    """Limits on the spending of all stages together; no request may exceed them."""

    money: Amount | None = None
    tokens: Annotated[int, Field(ge=0)] | None = None
    requests: Annotated[int, Field(ge=0)] | None = None
