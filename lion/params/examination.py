"""Parameters of the evaluation and of the report."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lion.params.record import Address, Record


class Candidate(Record):
    """A model for `lion evaluate`: exactly one of `student`, `checkpoint`, `api`, `answers`."""

    student: str | None = None  # folder of a student
    checkpoint: str | None = None  # folder or Hugging Face name, with its `template`
    revision: str | None = None
    template: Literal["raw", "alpaca", "vicuna", "wizardlm", "chat"] | None = None
    api: str | None = None  # a model asked as the teacher is, at `base_url` if given
    base_url: Address | None = None
    api_key_env: str | None = None
    answers: str | None = None  # file of recorded answers

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Candidate":
        kinds = (self.student, self.checkpoint, self.api, self.answers)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give exactly one of student, checkpoint, api, answers")
        if (self.checkpoint is None) != (self.template is None):
            raise ValueError(
                "checkpoint and template (raw, alpaca, vicuna, wizardlm, chat) go together"
            )
        if self.revision and not self.checkpoint:
            raise ValueError("revision is for a checkpoint")
        if (self.base_url or self.api_key_env) and not self.api:
            raise ValueError("base_url and api_key_env are for an api model")
        return self


class Evaluate(Record):
    """The evaluation questions, and the candidates and reference of `lion evaluate`."""

    questions: str
    reference: str = "teacher"  # or the name of a candidate
    candidates: dict[str, Candidate] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _knows_its_reference(self) -> "Evaluate":
        if self.reference != "teacher" and self.reference not in self.candidates:
            raise ValueError(f"reference: {self.reference} is neither teacher nor a candidate")
        return self


Tracker = Literal["mlflow", "wandb", "tensorboard", "dvclive"]


class Report(Record):
    """The page: `each` is the number of instructions of each kind, `megabytes` its size limit.

    `control` is the rounds.csv of another run, whose quality the page draws beside this one's;
    `marks` are a person's marks of verdicts. To have neither, name a file without rows; only old
    revisions have None. `track` is a tracker that also gets the figures, the tables and the page.
    """

    each: Annotated[int, Field(ge=0)] = 60
    megabytes: Annotated[float, Field(ge=0, le=100)] = 4.0
    control: str | None = None
    marks: str | None = None
    track: Tracker | None = None

    @field_validator("marks")
    @classmethod
    def _is_one_word_of_a_command(cls, marks: str | None) -> str | None:
        """Reject characters that are special to the shell to which dvc.yaml passes the path."""
        if marks and (special := re.search(r"[^\w@%+=:,./-]", marks)):
            raise ValueError(
                f"the path has {special[0]!r}, which is special to the shell; rename the file"
            )
        return marks
