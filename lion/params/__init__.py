"""params.yaml as typed records; an unknown, missing or contradictory value is an error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lion.params.asking import BudgetLimits, Endpoint, Price, Prices
from lion.params.examination import Candidate, Evaluate, Report
from lion.params.pools import (
    Decontaminate,
    Examine,
    Generate,
    Rewrite,
    Sampling,
    SeedsAnswers,
    SeedsColumns,
    SeedsTooLong,
    SeedsTurns,
)
from lion.params.record import Record
from lion.params.roles import Generator, Judge, Oracle, Referee, Role, Teacher
from lion.params.student import Compute, Contrast, Imitate, Lora, Student
from lion.support.errors import ParamsError

__all__ = [
    "BudgetLimits",
    "Candidate",
    "Compute",
    "Contrast",
    "Endpoint",
    "Evaluate",
    "Examine",
    "Generate",
    "Generator",
    "Imitate",
    "Judge",
    "Lora",
    "Oracle",
    "Params",
    "Price",
    "Prices",
    "Referee",
    "Rewrite",
    "Role",
    "Sampling",
    "SeedsColumns",
    "Student",
    "Teacher",
    "load_params",
    "read_yaml",
]


class Params(Record):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]  # numpy's range
    seeds: str
    seeds_columns: SeedsColumns = SeedsColumns()
    seeds_too_long: SeedsTooLong = "leave_out"
    seeds_answers: SeedsAnswers = "ask"
    seeds_turns: SeedsTurns = "refuse"
    tau: Annotated[float, Field(ge=-9, le=9)]
    rounds: dict[str, str]
    replay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    model: str
    teacher: Teacher
    referee: Referee
    generator: Generator
    judge: Judge
    student: Student
    imitate: Imitate
    examine: Examine = Examine()
    generate: Generate
    sampling: Sampling
    rewrite: Rewrite = Rewrite()
    decontaminate: Decontaminate
    evaluate: Evaluate
    oracle: Oracle
    report: Report = Report()
    compute: Compute
    endpoints: dict[Literal["default"] | Role, Endpoint]
    prices: Prices | None = None
    budget: BudgetLimits = BudgetLimits()

    @field_validator("rounds")
    @classmethod
    def _follow_each_other(cls, rounds: dict[str, str]) -> dict[str, str]:
        for number, (name, before) in enumerate(rounds.items(), start=1):
            if name != f"r{number}":
                raise ValueError(f"{name}: not a round's name; expected r{number}")
            if before != f"r{number - 1}":
                expected = f"expected {name}: r{number - 1}"
                raise ValueError(f"{name}: {before} is not the round before; {expected}")
        return rounds

    @model_validator(mode="after")
    def _has_no_contradiction(self) -> "Params":
        if fault := next(self._contradictions(), None):
            raise ValueError(fault)
        return self

    def _contradictions(self) -> Iterator[str]:
        """Yield what contradicts each other in different sections."""
        student, sharding = self.student, self.compute.sharding
        if "default" not in self.endpoints:
            yield "endpoints: 'default' is missing"
        if student.four_bit and self.imitate.lora is None:
            yield "student.four_bit: 4-bit weights cannot be trained; set imitate.lora"
        if student.four_bit and sharding == "zero3":
            yield "student.four_bit does not go with compute.sharding: zero3; use none"
        if student.engine == "server" and student.model is None:
            yield "student.engine: server needs student.model, the name it serves"
        if self.sampling.by == "loss" and not self.examine.loss:
            yield "sampling.by: loss needs the losses; set examine.loss: true"
        if self.imitate.contrast and sharding != "none":
            yield (
                f"imitate.contrast does not go with compute.sharding: {sharding}: a sharded model "
                "is trained once; set none, or train an adapter (imitate.lora)"
            )
        if self.examine.rows == 0:
            yield from self._needs_of_verdicts()
        if self.budget.money is not None:
            yield from self._missing_prices()

    def _needs_of_verdicts(self) -> Iterator[str]:
        why = "needs verdicts, and examine.rows: 0 asks for none"
        if self.sampling.by == "referee":
            yield f"sampling.by: referee {why}; set sampling.by: chance or loss, or more rows"
        if self.sampling.teacher_floor is not None:
            yield f"sampling.teacher_floor {why}; set it to null"
        if self.rewrite.share:
            yield f"rewrite.share {why}"
        if self.imitate.contrast:
            yield f"imitate.contrast {why}"

    def _missing_prices(self) -> Iterator[str]:
        known = self.prices.models if self.prices else {}
        for role in get_args(Role):
            is_asked = self.examine.rows != 0 or role != "referee"
            if is_asked and self.model_of(role) not in known and not self.is_in_process(role):
                yield f"budget.money is set, but prices.models has no {self.model_of(role)}"

    def model_of(self, role: Role) -> str:
        """Return the name of the model that plays `role`."""
        own: str | None = getattr(self, role).model
        return own or self.model

    def self_judging_notice(self) -> str:
        """Return a warning if the referee or the judge is the teacher's own model; empty if not."""
        teacher = self.model_of("teacher")
        roles: tuple[Role, ...] = ("referee", "judge")
        own = [role for role in roles if self.model_of(role) == teacher != "oracle"]
        if not own:
            return ""
        names = " and ".join(own)
        return (
            f"the teacher's model, {teacher}, is also the {names}: a model prefers its own answers;"
            f" set {own[0]}.model in params.yaml to another model for an independent verdict"
        )

    def endpoint_of(self, role: Role) -> Endpoint:
        """Return the endpoint of `role`: its own fields over those of `default`."""
        own, default = self.endpoints.get(role), self.endpoints["default"]
        return own.over(default) if own else default

    def is_in_process(self, role: Role) -> bool:
        """Return whether the oracle answers `role` without a server, unless OPENAI_BASE_URL is set.

        An oracle behind a URL counts as any other model, so that a budget can be rehearsed.
        """
        return self.model_of(role) == "oracle" and self.endpoint_of(role).base_url is None

    @property
    def student_lengths(self) -> dict[str, int]:
        """Return the tokens that the student must have positions for, by parameter."""
        return {
            "imitate.max_length": self.imitate.max_length,
            "student.max_tokens": self.student.max_tokens,
        }

    def round_before(self, name: str) -> str:
        """Return the round before `name`; ParamsError if the parameters lack round `name`."""
        if name not in self.rounds:
            raise ParamsError(
                f"rounds: no {name!r} in params.yaml (known: {', '.join(self.rounds)})"
            )
        return self.rounds[name]

    @property
    def round_names(self) -> list[str]:
        """Return all rounds in order, r0 first."""
        return ["r0", *self.rounds]


def load_params(path: Path) -> Params:
    """Read and check `path`; ParamsError names the file and each key that is wrong."""
    try:
        return Params.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ParamsError(f"{path}: {_faults_of(error)}") from None


def read_yaml(path: Path) -> Any:
    """Read parameters as DVC reads them, as YAML 1.2; ParamsError if they are not YAML.

    In YAML 1.1, the version of PyYAML, 2e-05 is a text and 010 is 8.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the project's root") from None
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}") from None
    except MarkedYAMLError as error:  # such as a key that is there twice
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ParamsError(f"{path}{line}: not YAML: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ParamsError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def parse_columns(text: str) -> SeedsColumns:
    """Parse `seeds_columns` from YAML on a command line; ParamsError names each wrong key."""
    try:
        return SeedsColumns.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ParamsError(f"--columns: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ParamsError(f"--columns: {_faults_of(error)}") from None


def _faults_of(error: ValidationError) -> str:
    """Return the first three faults in one line: key, problem and value of each."""
    faults = []
    for fault in error.errors()[:3]:
        key = ".".join(str(part) for part in fault["loc"] if part != "[key]") or "the file"
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = "unknown parameter"
        shown = "" if isinstance(fault["input"], dict) else f" (it is {fault['input']!r:.60})"
        faults.append(f"{key}: {message}{shown}")
    return "; ".join(faults)
