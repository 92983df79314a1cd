"""Parameters of the roles: teacher, referee, judge, generator, oracle."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lion.params.record import Positive, Record, Share, Temperature

Thoughts = Literal["drop", "learn"]
Role = Literal["teacher", "referee", "generator", "judge", "student"]


class Teacher(Record):
    """The teacher. For every role, temperatures are 0..2 and limits are in tokens.

    `thoughts` says whether the student learns the teacher's thoughts before its answers.
    """

    model: str | None = None
    temperature: Temperature
    max_tokens: Positive
    retries: Annotated[int, Field(ge=0)]
    thoughts: Thoughts = "drop"


class Referee(Record):
    """The referee; `retries` is how often Lion retries an unreadable reply."""

    model: str | None = None
    temperature: Temperature
    max_tokens: Positive
    retries: Annotated[int, Field(ge=0)]


class Judge(Referee):
    """The referee of the evaluation, in one of the paper's settings (lion/evaluate/judging.py).

    1: scores first, one run, teacher shown first. 2: evidence first, mean of `samples` runs in
    both orders.
    """

    setting: Literal[1, 2]
    samples: Positive

    @model_validator(mode="after")
    def _has_one_run_in_setting_1(self) -> "Judge":
        if self.setting == 1 and self.samples > 1:
            raise ValueError("setting: 1 is one run; it needs samples: 1")
        return self


class Generator(Record):
    """The generator of new instructions.

    A reply may have `tokens_per_word` tokens for each word of the given instruction, up to 4,096,
    but at least `min_tokens`.
    """

    model: str | None = None
    temperature: Temperature
    tokens_per_word: Positive
    min_tokens: Positive


class Oracle(Record):
    """How closely the offline referee resembles a real one."""

    position_bias: Annotated[float, Field(ge=0, le=3)]
    unreadable: Share
