"""The student's weights: where they come from, how they are loaded and saved."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from lion.errors import InputError
from lion.files import replacing_folder

POINTER = "base.json"  # in the folder of a student that is the untrained base model


@dataclass(frozen=True)
class Loaded:
    """A model ready to train or to answer, with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def write_base(out: Path, *, base: str, revision: str | None) -> None:
    """Make student folder `out` stand for the base model, by name and content: no copy."""
    pointer = {"base": base, "revision": revision, "sha256": fingerprint(base)}
    with replacing_folder(out) as folder:
        text = json.dumps(pointer, indent=2, sort_keys=True)
        (folder / POINTER).write_text(text + "\n", encoding="utf-8")


def fingerprint(base: str) -> str | None:
    """A hash over a model folder's files; None for a name on the Hugging Face hub."""
    folder = Path(base)
    if not folder.is_dir():
        if base.startswith((".", "/", "data/")) or base.count("/") > 1:
            raise InputError(f"student.base: {base}: no such folder")
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in {".json", ".safetensors", ".jinja", ".model"}:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def load_student(folder: Path) -> Loaded:
    """The model in student folder `folder`, following a pointer to the base model."""
    pointer = folder / POINTER
    if not pointer.exists():
        return _load(str(folder), None)
    told = json.loads(pointer.read_text(encoding="utf-8"))
    if told["sha256"] != fingerprint(told["base"]):
        raise InputError(
            f"{told['base']}: changed since the seed stage saw it; run `dvc repro -f seed`"
        )
    return _load(told["base"], told["revision"])


def save_student(loaded: Loaded, out: Path) -> None:
    """Write model and tokenizer to folder `out`, whole or not at all; safetensors only."""
    with replacing_folder(out) as folder:
        loaded.model.save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)


def device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def _load(source: str, revision: str | None) -> Loaded:
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
        model = AutoModelForCausalLM.from_pretrained(
            source, revision=revision, use_safetensors=True
        )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"student {source}: not a causal language model: {reason}") from None
    return Loaded(model, tokenizer)
