"""Parameters of generation and decontamination."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lion.params.record import FileName, Positive, Record, Share

Rules = Literal["any", "paper"]


class Generate(Record):
    """How many new instructions a round adds, from which side, and how new they must be."""

    count: Positive
    hard_share: Share
    novelty: Annotated[float, Field(gt=0, le=1)]
    max_draws: Positive
    rules: Rules = "any"


class Sampling(Record):
    """How generation draws its parents; lion/generate/sampling.py explains the choices."""

    by: Literal["referee", "chance"]
    over: Literal["rows", "clusters"]
    clusters: Positive
    teacher_floor: Annotated[float, Field(ge=1, le=10)] | None

    @model_validator(mode="after")
    def _has_one_meaning(self) -> "Sampling":
        if self.by == "chance" and self.teacher_floor is not None:
            raise ValueError("by: chance ignores the referee's scores; set teacher_floor: null")
        return self


class Decontaminate(Record):
    """What new instructions must not repeat: word n-grams (0: off) of the evaluation questions
    and of further question files, each under a name."""

    words: Annotated[int, Field(ge=0)]
    files: dict[FileName, str]
