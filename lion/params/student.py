"""Parameters of the student, of its training, and of this machine."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lion.params.record import Positive, Record, Share, Temperature

Wrong = Literal["own", "other"]


class Student(Record):
    """The student and how it answers (temperature 0 is greedy); see docs/students.md.

    `precision` sets the arithmetic: auto is bfloat16 where an accelerator supports it, else
    float32. `four_bit` loads the frozen base in 4 bits (needs imitate.lora). `engine` generates the
    answers; engines sample different ones. `model` is the student's name on an OpenAI-compatible
    server; {student} stands for its folder (r0, r1, ...).
    """

    base: str
    revision: str | None
    temperature: Temperature
    max_tokens: Positive
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    four_bit: bool = False
    engine: Literal["transformers", "vllm", "server"] = "transformers"
    model: str | None = None


class Lora(Record):
    """Low-rank adapters; `targets` are suffixes of layer names, or all linear layers."""

    rank: Positive
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: list[str] | Literal["all-linear"] = "all-linear"


class Contrast(Record):
    """A preference step (DPO) after imitation, on the round's hard rows; see docs/students.md.

    `beta` weighs the distance to the student that imitation has trained. `anchor` weighs imitation
    of the teacher's answer in the same steps (0: plain DPO). `learning_rate` null is a twentieth of
    imitate's; `batch` is pairs per step, null is imitate's. `wrong: other` is a control: the wrong
    answer is that of another hard row.
    """

    beta: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    anchor: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    epochs: Positive = 1
    batch: Positive | None = None
    wrong: Wrong = "own"


class Imitate(Record):
    """Training of one round; `batch` is rows per step, `warmup` a share of all steps.

    A row longer than `max_length` is an error, or is cut at its end if `truncate`. Without `lora`,
    training updates all weights. With `contrast`, a preference step follows in rounds after r0.
    """

    epochs: Positive
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    warmup: Share
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    batch: Positive
    max_length: Positive
    truncate: bool = False
    lora: Lora | None = None
    contrast: Contrast | None = None


class Compute(Record):
    """How the student runs on this machine; changes results only by rounding; see docs/students.md.

    `answer_batch` is answers at a time per process, `micro_batch` the mean rows of a forward pass
    (null: all of a process's share), `processes` the number on this machine, `checkpoint_steps`
    steps between two training checkpoints (null: no checkpoints), `threads` the CPU threads of a
    process (null: PyTorch's choice, one per core); another number rounds differently. `portable`
    rounds the same on every x86 processor with AVX2.
    """

    device: Literal["auto", "cpu"] = "auto"
    attention: str | None = None
    answer_batch: Positive = 64
    vllm: dict[str, Any] = Field(default_factory=dict)
    launcher: Literal["torchrun", "accelerate"] | None = None
    launcher_args: list[str] = Field(default_factory=list)
    processes: Positive = 1
    sharding: Literal["none", "fsdp", "zero3"] = "none"
    micro_batch: Positive | None = None
    checkpoint_steps: Positive | None = None
    threads: Positive | None = None
    portable: bool = False
    activation_checkpointing: bool = False
    memory_check: bool = True

    @model_validator(mode="after")
    def _runs_no_code_of_a_model(self) -> "Compute":
        if self.vllm.get("trust_remote_code"):
            raise ValueError("vllm: trust_remote_code: Lion runs no code that comes with a model")
        return self

    @model_validator(mode="after")
    def _is_launched(self) -> "Compute":
        if self.launcher is None and (self.processes > 1 or self.launcher_args):
            raise ValueError("processes and launcher_args need a launcher: torchrun or accelerate")
        if self.launcher is None and self.sharding != "none":
            raise ValueError(f"sharding: {self.sharding} needs a launcher: torchrun or accelerate")
        return self
