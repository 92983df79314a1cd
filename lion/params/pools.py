"""Parameters of seeds, examination, generation and decontamination."""

from math import ceil
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lion.params.record import FileName, Positive, Record, Share

Points = Annotated[float, Field(ge=-9, le=9)]  # of a gap
Rules = Literal["any", "paper"]
SeedsAnswers = Literal["keep", "ask"]
SeedsTooLong = Literal["leave_out", "refuse"]
SeedsTurns = Literal["last", "refuse"]


class SeedsColumns(Record):
    """The seed file's key for each text, and the keys to ignore."""

    instruction: str | None = None
    input: str | None = None
    output: str | None = None
    messages: str | None = None
    system: str | None = None
    history: str | None = None
    ignore: list[str] = Field(default_factory=list)

    @property
    def names(self) -> dict[str, str]:
        """Return Lion's name for each mapped key of the file."""
        pairs = self.model_dump(exclude={"ignore"}, exclude_none=True)
        return {key: name for name, key in pairs.items()}

    @model_validator(mode="after")
    def _gives_a_key_one_meaning(self) -> "SeedsColumns":
        named = [*self.model_dump(exclude={"ignore"}, exclude_none=True).values(), *self.ignore]
        if repeated := next((key for key in named if named.count(key) > 1), None):
            raise ValueError(f"'{repeated}' has two meanings; give each key one")
        return self


class Examine(Record):
    """How much of the cache pool the student answers and the referee judges in a round.

    `rows` is null for all rows, a number, or a share above 0 and up to 1; with 0 nobody is asked.
    `loss` also computes the student's loss on every answer of the teacher. `second_order` is the
    gap around which the referee judges in both orders (null: always). The referee stops once `hard`
    rows have a gap of `hard_gap` or more (null: never).
    """

    rows: int | float | None = None
    loss: bool = False
    second_order: Points | None = None
    hard: Positive | None = None
    hard_gap: Points = 1.0

    @field_validator("rows")
    @classmethod
    def _is_a_number_or_a_share(cls, rows: int | float | None) -> int | float | None:
        whole = isinstance(rows, int) and rows >= 0
        if rows is None or whole or (isinstance(rows, float) and 0 < rows <= 1):
            return rows
        raise ValueError("must be a whole number of rows, or a share above 0 and up to 1")

    @model_validator(mode="after")
    def _asks_for_what_it_counts(self) -> "Examine":
        for name in ("second_order", "hard"):
            if self.rows == 0 and getattr(self, name) is not None:
                raise ValueError(f"rows: 0 asks for no verdict; set {name}: null")
        return self

    def count(self, size: int) -> int:
        """Return how many rows of a cache pool of `size` rows are examined."""
        if self.rows is None:
            return size
        if isinstance(self.rows, int):
            return min(self.rows, size)
        return max(min(1, size), ceil(round(self.rows * size, 6)))


class Generate(Record):
    """How many new instructions a round adds, from which sides, and how novel they must be."""

    count: Positive
    hard_share: Share
    novelty: Annotated[float, Field(gt=0, le=1)]
    max_draws: Positive
    rules: Rules = "any"


class Rewrite(Record):
    """The share of a round's hard rows that the teacher answers again, given the student's error.

    `blind` is a control: as many second answers, without the student's answer and its review.
    """

    share: Share = 0.0
    blind: bool = False


class Sampling(Record):
    """How generation draws its parents; lion/generate/sampling.py explains the choices."""

    by: Literal["referee", "chance", "loss"]
    top: Annotated[float, Field(gt=0, le=1)] = 0.5
    over: Literal["rows", "clusters"]
    clusters: Positive
    teacher_floor: Annotated[float, Field(ge=1, le=10)] | None

    @model_validator(mode="after")
    def _has_one_meaning(self) -> "Sampling":
        if self.by == "chance" and self.teacher_floor is not None:
            raise ValueError("by: chance ignores the referee's scores; set teacher_floor: null")
        return self


class Decontaminate(Record):
    """What new instructions must not repeat: n-grams of `words` words (0: off) of the questions.

    The questions are those of the evaluation and of further `files`, each under a name.
    """

    words: Annotated[int, Field(ge=0)]
    files: dict[FileName, str]

    @field_validator("files")
    @classmethod
    def _have_files_of_their_own(cls, files: dict[str, str]) -> dict[str, str]:
        """Reject names that differ only in case; the seed stage itself uses `evaluate`."""
        taken = {"evaluate"}
        for name in files:
            if name.lower() in taken:
                raise ValueError(f"{name}: this name is taken; choose another")
            taken.add(name.lower())
        return files
