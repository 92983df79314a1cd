"""Saving a student in the number type of its base, in which it will be served."""

import json
from pathlib import Path

import torch

from lion.student import launch
from lion.student.models import (
    Loaded,
    is_adapter,
    quiet_peft,
    source_of,
    stored_type,
    write_pointer,
)
from lion.student.thoughts import write_form
from lion.support.files import replacing_folder

CONFIG = "config.json"
Weights = dict[str, torch.Tensor]


def save_student(loaded: Loaded, out: Path) -> None:
    """Write the student to folder `out` atomically; only the adapter, if it has one.

    Training holds the weights in float32; a whole model is rounded to the type of the folder or
    base it was loaded from. All processes that trained it must call this; the main one writes.
    """
    weights = loaded.gather() if loaded.gather else None
    if not launch.is_main():
        return
    if loaded.thoughts:
        loaded.model.generation_config.eos_token_id = loaded.ends
    dtype = loaded.model.dtype
    if loaded.folder and not is_adapter(loaded.model):
        dtype = stored_type(*source_of(loaded.folder))
    if dtype != loaded.model.dtype:
        weights = _rounded(weights or loaded.model.state_dict(), dtype)
    with replacing_folder(out) as folder:
        with quiet_peft(UserWarning):  # that it saves embedding layers which the adapter targets
            loaded.model.save_pretrained(folder, state_dict=weights)
        if dtype != loaded.model.dtype:
            # transformers writes the type of the model in memory.
            fields = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            fields["dtype"] = str(dtype).removeprefix("torch.")
            text = json.dumps(fields, indent=2, sort_keys=True) + "\n"
            (folder / CONFIG).write_text(text, encoding="utf-8")
        loaded.tokenizer.save_pretrained(folder)
        if loaded.thoughts:
            write_form(folder, loaded.thoughts)
        if is_adapter(loaded.model) and loaded.base:
            (folder / "README.md").unlink(missing_ok=True)  # peft's, an empty form
            write_pointer(folder, loaded.base)


def _rounded(weights: Weights, dtype: torch.dtype) -> Weights:
    """Return `weights` in another type; tensors that share memory still do."""
    known: dict[tuple[int, torch.Size], torch.Tensor] = {}
    return {
        name: known.setdefault((weight.data_ptr(), weight.shape), weight.to(dtype))
        if weight.is_floating_point()
        else weight
        for name, weight in weights.items()
    }
