"""Export of a student as a whole model, with a check that it is the trained one."""

from collections.abc import Sequence
from pathlib import Path

import torch

from lion.pools.instructions import Task
from lion.student.likelihood import log_probabilities
from lion.student.models import Loaded, is_adapter, load_student
from lion.student.saving import save_student, stored_type
from lion.student.template import encode_example
from lion.student.turns import folding
from lion.support.errors import InputError
from lion.support.files import replacing_folder

LESSONS = 8  # answers that are compared
TOKENS = 512  # at most, of each answer
# Mean difference of a token's log-probability: rounding to half precision moves it by hundredths,
# a wrong merge by tenths or more.
TOLERANCE = {torch.float32: 1e-3}
HALF = 0.1


def merge(folder: Path, out: Path, *, lessons: Sequence[tuple[Task, str]]) -> None:
    """Write student `folder` to `out` as a whole model in its base's number type.

    Its chat template shows system prompts as the student learnt them, even if its base has no role
    for them. `lessons` are tasks with answers. InputError, and no output, if the written model
    gives the answers' tokens other log-probabilities than the student.
    """
    if not lessons:
        raise InputError(
            f"{folder}: no answered row to compare the exported model on; run dvc pull"
        )
    loaded = load_student(folder)
    examples = [encode_example(loaded.tokenizer, *lesson) for lesson in lessons[:LESSONS]]
    examples = [example.cut(len(example.prompt) + TOKENS) for example in examples]
    before = torch.cat(log_probabilities(loaded.model, examples))
    dtype = stored_type(folder)
    _merge_adapter(loaded)
    loaded.model.to(dtype)  # type: ignore[arg-type]
    loaded.tokenizer.chat_template = folding(loaded.tokenizer)
    with replacing_folder(out) as written:
        save_student(loaded, written)
        del loaded
        after = torch.cat(log_probabilities(load_student(written).model, examples))
        difference = float((after - before).abs().mean())
        if not difference <= TOLERANCE.get(dtype, HALF):
            raise InputError(
                f"{folder}: the exported model is not the trained student: log-probabilities of "
                f"{len(examples)} answers differ by {difference:.3f} a token; train again without "
                "lm_head and embeddings in imitate.lora.targets"
            )


def _merge_adapter(loaded: Loaded) -> None:
    if is_adapter(loaded.model):
        loaded.model = loaded.model.merge_and_unload()  # type: ignore[operator]
