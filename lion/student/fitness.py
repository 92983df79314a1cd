"""Whether a base model can be the student on this machine: its files, and its memory need."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from lion.params import Params
from lion.student.check import check_base
from lion.student.memory import GIB, Need, advice, estimate, free_memory
from lion.student.models import (
    LoadOptions,
    device,
    load_config,
    load_student,
    precision,
    stored_type,
    write_base,
)
from lion.support.errors import InputError


@dataclass(frozen=True)
class Fitness:
    """The memory that training takes with the largest batch that the parameters allow."""

    parameters: int
    saved: int  # bytes of a saved student
    need: Need
    free: float  # bytes on the device
    where: str
    advice: str  # how to lower the need

    @property
    def fits(self) -> bool:
        """Whether the memory suffices."""
        return self.need.total <= self.free

    def __str__(self) -> str:
        return (
            f"{self.parameters / 1e6:,.1f}M parameters; training takes up to "
            f"{self.need.total / GIB:,.2f} of {self.free / GIB:,.2f} GiB free on {self.where}"
        )


def fitness_of(params: Params, scratch: Path) -> Fitness:
    """Check the base as the stage `seed` does, load it if it is here, and estimate its memory.

    InputError says what is wrong. `scratch` is a temporary folder.
    """
    student, compute = params.student, params.compute
    learns = params.teacher.thoughts == "learn"
    check_base(student.base, student.revision, thinks=learns, lengths=params.student_lengths)
    config = load_config(student.base, student.revision)
    with torch.device("meta"):  # shapes without weights
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.requires_grad_(params.imitate.lora is None)
    share = -(-params.imitate.batch // compute.processes)
    rows = min(compute.micro_batch or share, params.imitate.batch)
    where = device(compute.device)
    parameters = sum(weight.numel() for weight in model.parameters())
    fitness = Fitness(
        parameters=parameters,
        saved=parameters * stored_type(student.base, student.revision).itemsize,
        need=estimate(
            model,
            compute,
            precision(student, compute),
            tokens=rows * params.imitate.max_length,
            processes=compute.processes,
        ),
        free=free_memory(where),
        where=str(where),
        advice=advice(compute, rows=rows, adapter=params.imitate.lora is not None),
    )
    if Path(student.base).is_dir():
        size, free = parameters * torch.bfloat16.itemsize, free_memory(torch.device("cpu"))
        if size > free:
            raise InputError(
                f"student.base: {student.base}: its weights take {size / GIB:.1f} GiB, and "
                f"{free / GIB:.1f} GiB of memory are free; use a smaller base or a larger machine"
            )
        write_base(scratch / "base", base=student.base, revision=student.revision)
        load_student(scratch / "base", options=LoadOptions(dtype=torch.bfloat16))
    return fitness
