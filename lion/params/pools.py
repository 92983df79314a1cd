"""What new instructions are made from, and what they must not repeat."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lion.params.record import FileName, Positive, Record, Share


class Generate(Record):
    """How many new instructions a round brings, from where, and how new they must be."""

    count: Positive
    hard_share: Share
    novelty: Annotated[float, Field(gt=0, le=1)]
    max_draws: Positive


class Sampling(Record):
    """How generation draws its parents; lion/generate/sampling.py tells what each choice means."""

    by: Literal["referee", "chance"]
    over: Literal["rows", "clusters"]
    clusters: Positive
    weight: Literal["none", "gap", "learnable", "frontier"]
    teacher_floor: Annotated[float, Field(ge=1, le=10)] | None

    @model_validator(mode="after")
    def _has_one_meaning(self) -> "Sampling":
        if self.by == "chance" and (self.weight != "none" or self.teacher_floor is not None):
            raise ValueError(
                "by: chance asks no referee; it needs weight: none, teacher_floor: null"
            )
        return self


class Decontaminate(Record):
    """What new instructions must not repeat: word n-grams (0: off) of the evaluation's questions,
    and of the question files named here besides."""

    words: Annotated[int, Field(ge=0)]
    files: dict[FileName, str]
