"""params.yaml as typed records; an unknown, missing or contradictory value is an error."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lion.errors import ParamsError

Role = Literal["teacher", "referee", "generator", "judge", "student"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Temperature = Annotated[float, Field(ge=0, le=2)]


class Record(BaseModel):
    """A part of params.yaml: no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Teacher(Record):
    """How the teacher answers. Temperatures are 0..2, limits in tokens, for every role."""

    model: str | None = None
    temperature: Temperature
    max_tokens: Positive
    retries: Annotated[int, Field(ge=0)]


class Referee(Record):
    """How answers are scored; `retries` is how often an unreadable reply is asked again."""

    model: str | None = None
    temperature: Temperature
    max_tokens: Positive
    retries: Annotated[int, Field(ge=0)]


class Judge(Referee):
    """The referee of the evaluation, in one of the paper's settings (lion/evaluation/judging.py).

    1: scores first, one run, the teacher shown first. 2: evidence first, `samples` runs, both
    orders, mean.
    """

    setting: Literal[1, 2]
    samples: Positive

    @model_validator(mode="after")
    def _has_one_run_in_setting_1(self) -> "Judge":
        if self.setting == 1 and self.samples > 1:
            raise ValueError("setting: 1 is one run; it needs samples: 1")
        return self


class Generator(Record):
    """How new instructions are written."""

    model: str | None = None
    temperature: Temperature
    tokens_per_word: Positive
    min_tokens: Positive


class Student(Record):
    """The model that learns, and how it answers (temperature 0 is greedy); docs/students.md.

    `precision` is that of the arithmetic: auto is bfloat16 where an accelerator has it, else
    float32. `four_bit` keeps the frozen base in 4 bits (needs imitate.lora). `model` is the
    student's name at an OpenAI-compatible server, {student} being its folder's name (r0, r1, ...).
    """

    base: str
    revision: str | None
    temperature: Temperature
    max_tokens: Positive
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    four_bit: bool = False
    model: str | None = None


class Lora(Record):
    """Low-rank adapters; `targets` are the ends of layer names, or all linear layers."""

    rank: Positive
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: list[str] | Literal["all-linear"] = "all-linear"


class Imitate(Record):
    """Training of one round; `batch` is rows a step, `warmup` a share of all steps.

    A row longer than `max_length` is an error, or is cut at its end if `truncate`. Without `lora`
    all weights are trained.
    """

    epochs: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    warmup: Share
    weight_decay: Annotated[float, Field(ge=0)]
    batch: Positive
    max_length: Positive
    truncate: bool = False
    lora: Lora | None = None


class Generate(Record):
    """How many new instructions a round brings, from where, and how new they must be."""

    count: Positive
    hard_share: Share
    novelty: Annotated[float, Field(gt=0, le=1)]
    max_draws: Positive


class Sampling(Record):
    """How generation draws its parents; lion/sampling.py tells what each choice means."""

    by: Literal["referee", "chance"]
    over: Literal["rows", "clusters"]
    clusters: Positive
    weight: Literal["none", "gap", "learnable"]
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
    files: dict[str, str]


class Candidate(Record):
    """Whom `lion evaluate` examines: one of `student`, `checkpoint`, `api` and `answers`."""

    student: str | None = None  # folder of a student
    checkpoint: str | None = None  # folder or Hugging Face name, with its `layout`
    revision: str | None = None
    layout: Literal["raw", "alpaca", "vicuna", "wizardlm", "chat"] | None = None
    api: str | None = None  # a model, asked like the teacher, at `base_url` if given
    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/]")] | None = None
    api_key_env: str | None = None
    answers: str | None = None  # file of recorded answers

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Candidate":
        kinds = (self.student, self.checkpoint, self.api, self.answers)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give exactly one of student, checkpoint, api, answers")
        if (self.checkpoint is None) != (self.layout is None):
            raise ValueError(
                "checkpoint and layout (raw, alpaca, vicuna, wizardlm, chat) go together"
            )
        if self.revision and not self.checkpoint:
            raise ValueError("revision is for a checkpoint")
        if (self.base_url or self.api_key_env) and not self.api:
            raise ValueError("base_url and api_key_env are for an api model")
        return self


class Evaluate(Record):
    """What the students are examined on; whom `lion evaluate` compares with whom."""

    questions: str
    reference: str = "teacher"  # or the name of a candidate
    candidates: dict[str, Candidate] = {}

    @model_validator(mode="after")
    def _knows_its_reference(self) -> "Evaluate":
        if self.reference != "teacher" and self.reference not in self.candidates:
            raise ValueError(f"reference: {self.reference} is neither teacher nor a candidate")
        return self


class Oracle(Record):
    """How human the offline referee is."""

    position_bias: Annotated[float, Field(ge=0, le=3)]
    unreadable: Share


class Report(Record):
    """How many instructions the page carries (of each kind, and MB in all), and the rounds.csv
    of another run to draw beside this one's quality."""

    each: Annotated[int, Field(ge=0)] = 60
    megabytes: Annotated[float, Field(ge=0, le=100)] = 4.0
    control: str | None = None


class Compute(Record):
    """How the student runs on this machine; changes no result but by rounding; docs/students.md.

    `answer_batch` is answers at a time and process, `micro_batch` the mean rows of a forward pass
    (null: all of a process's share), `processes` those of this machine, `checkpoint_steps` steps
    between two training checkpoints (null: none).
    """

    device: Literal["auto", "cpu"] = "auto"
    attention: str | None = None
    answer_batch: Positive = 64
    engine: Literal["transformers", "vllm", "server"] = "transformers"
    vllm: dict[str, Any] = {}
    launcher: Literal["torchrun", "accelerate"] | None = None
    launcher_args: list[str] = []
    processes: Positive = 1
    sharding: Literal["none", "fsdp", "zero3"] = "none"
    micro_batch: Positive | None = None
    checkpoint_steps: Positive | None = None
    activation_checkpointing: bool = False
    memory_check: bool = True

    @model_validator(mode="after")
    def _is_launched(self) -> "Compute":
        if self.launcher is None and (self.processes > 1 or self.launcher_args):
            raise ValueError("processes and launcher_args need a launcher: torchrun or accelerate")
        if self.launcher is None and self.sharding != "none":
            raise ValueError(f"sharding: {self.sharding} needs a launcher: torchrun or accelerate")
        return self


class Endpoint(Record):
    """Where, how fast and in which dialect a role is asked; docs/chat.md tells every key.

    `timeout`, `patience` and `poll` are seconds: for a reply, without any reply before giving up,
    between two looks at a batch. `thinking_tokens` is room beside a role's max_tokens.
    """

    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/]")] | None = None
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
    omit: list[Literal["temperature", "seed"]] = []
    extra: dict[str, Any] = {}


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


class Budget(Record):
    """What may be spent on replies, all stages together; the request beyond it is not sent."""

    money: Annotated[float, Field(ge=0)] | None = None
    tokens: Annotated[int, Field(ge=0)] | None = None
    requests: Annotated[int, Field(ge=0)] | None = None


class Params(Record):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0)]
    seeds: str
    tau: Annotated[float, Field(ge=-9, le=9)]
    rounds: dict[str, str]
    model: str
    teacher: Teacher
    referee: Referee
    generator: Generator
    judge: Judge
    student: Student
    imitate: Imitate
    generate: Generate
    sampling: Sampling
    decontaminate: Decontaminate
    evaluate: Evaluate
    oracle: Oracle
    report: Report = Report()
    compute: Compute
    endpoints: dict[Literal["default"] | Role, Endpoint]
    prices: Prices | None = None
    budget: Budget = Budget()

    @field_validator("rounds")
    @classmethod
    def _follow_each_other(cls, rounds: dict[str, str]) -> dict[str, str]:
        for number, (name, before) in enumerate(rounds.items(), start=1):
            if name != f"r{number}":
                raise ValueError(f"{name}: not a round's name; expected r{number}")
            if before != f"r{number - 1}":
                told = f"expected {name}: r{number - 1}"
                raise ValueError(f"{name}: {before} follows no round; {told}")
        return rounds

    @model_validator(mode="after")
    def _has_default_endpoint(self) -> "Params":
        if "default" not in self.endpoints:
            raise ValueError("endpoints: 'default' is missing")
        return self

    @model_validator(mode="after")
    def _quantizes_only_what_is_frozen(self) -> "Params":
        if self.student.four_bit and self.imitate.lora is None:
            raise ValueError("student.four_bit: 4-bit weights cannot be trained; set imitate.lora")
        if self.student.four_bit and self.compute.sharding == "zero3":
            raise ValueError("student.four_bit does not go with compute.sharding: zero3; use none")
        if self.compute.engine == "server" and self.student.model is None:
            raise ValueError("compute.engine: server needs student.model, the name it serves")
        return self

    @model_validator(mode="after")
    def _prices_cover_the_budget(self) -> "Params":
        if self.budget.money is None:
            return self
        known = {"oracle", *(self.prices.models if self.prices else ())}
        for role in get_args(Role):
            if self.model_of(role) not in known:
                raise ValueError(f"budget: money is bounded, prices lack {self.model_of(role)}")
        return self

    def model_of(self, role: Role) -> str:
        """The model that plays `role`."""
        own: str | None = getattr(self, role).model
        return own or self.model

    def endpoint_of(self, role: Role) -> Endpoint:
        """Where `role` is asked."""
        return self.endpoints.get(role) or self.endpoints["default"]

    @property
    def round_names(self) -> list[str]:
        """All rounds in order, r0 first."""
        return ["r0", *self.rounds]


def load_params(path: Path) -> Params:
    """Read and check `path`; ParamsError names the file and each key that is wrong."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run from the project's root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ParamsError(f"{path}: {_told(error)}") from None


def _told(error: ValidationError) -> str:
    """The first few faults in one line: key, what is wrong, what stands there."""
    faults = []
    for fault in error.errors()[:3]:
        key = ".".join(str(part) for part in fault["loc"] if part != "[key]") or "the file"
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = "unknown parameter"
        shown = "" if isinstance(fault["input"], dict) else f" (it is {fault['input']!r:.60})"
        faults.append(f"{key}: {message}{shown}")
    return "; ".join(faults)
