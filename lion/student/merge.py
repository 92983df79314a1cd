"""Export of a student as a whole model, with a check that it is the trained one."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel

from lion.pools.instructions import Task
from lion.student.likelihood import log_probabilities
from lion.student.models import Loaded, is_adapter, load_student, source_of, stored_type
from lion.student.saving import save_student
from lion.student.template import Example, encode_example, folding
from lion.support.errors import InputError
from lion.support.files import replacing_folder

TOKENS = 512  # of each answer that a merged model is compared on, at most
# Mean difference of a token's log-probability: rounding to half precision moves it by hundredths,
# a wrong merge by tenths or more.
TOLERANCE, TOLERANCE_OF_HALF = 1e-3, 0.1


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
    examples = [encode_example(loaded.tokenizer, *lesson) for lesson in lessons]
    examples = [example.cut(len(example.prompt) + TOKENS) for example in examples]
    before = _log_probabilities(loaded.model, examples)
    dtype = stored_type(*source_of(folder))
    _merge_adapter(loaded)
    loaded.model.to(dtype)  # type: ignore[arg-type]
    loaded.tokenizer.chat_template = folding(loaded.tokenizer)
    with replacing_folder(out) as written:
        save_student(loaded, written)
        del loaded
        after = _log_probabilities(load_student(written).model, examples)
        difference = float((after - before).abs().mean())
        if not difference <= (TOLERANCE if dtype == torch.float32 else TOLERANCE_OF_HALF):
            raise InputError(
                f"{folder}: the exported model is not the trained student: log-probabilities of "
                f"{len(examples)} answers differ by {difference:.3f} a token; train again without "
                "lm_head and embeddings in imitate.lora.targets"
            )


def _log_probabilities(model: PreTrainedModel, examples: Sequence[Example]) -> torch.Tensor:
    """Return those of all answers end to end; one row at a time, since there are few."""
    return torch.cat([log_probabilities(model, [example])[0] for example in examples])


def _merge_adapter(loaded: Loaded) -> None:
    if is_adapter(loaded.model):
        loaded.model = loaded.model.merge_and_unload()  # type: ignore[operator]
