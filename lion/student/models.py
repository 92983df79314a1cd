"""The student's weights: where they are and how to load them."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from lion.params import Compute, Student
from lion.student import launch
from lion.student.template import settle_template
from lion.student.thoughts import ThoughtForm, read_form, think
from lion.support.errors import InputError, ParamsError
from lion.support.files import replacing_folder

POINTER = "base.json"  # names the base model of the untrained student or of an adapter
ADAPTER = "adapter_config.json"


@dataclass
class Loaded:
    """A model ready to train or to answer, with its tokenizer.

    `base` names the base model of an adapter. `thoughts` is the form of a student that learns, or
    learnt, thoughts. All processes must call `gather`, if set, for the weights of a sharded model.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    folder: Path | None = None
    base: dict[str, Any] | None = None
    thoughts: ThoughtForm | None = None
    learnt: str = ""  # key of its training since it was loaded, if that is resumable
    gather: Callable[[], dict[str, torch.Tensor]] | None = None

    @property
    def identity(self) -> list[Any]:
        """Return what tells this model from others: its weights, their base and number type."""
        weights = model_digest(str(self.folder)) if self.folder else None
        return [weights, self.base, str(self.model.dtype)]

    @property
    def ends(self) -> list[int]:
        """Return the tokens that end an answer, without marks between thoughts and answer."""
        ends = self.model.generation_config.eos_token_id
        marks = self.thoughts.ids(self.tokenizer) if self.thoughts else set()
        return [id for id in ends if id not in marks] if isinstance(ends, list) else []


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How to load weights: their type, 4 bits for a frozen base, and the attention kernel."""

    dtype: torch.dtype = torch.float32
    four_bit: bool = False
    attention: str | None = None


def write_base(out: Path, *, base: str, revision: str | None) -> None:
    """Write student folder `out` as a pointer to the base model: name and digest, but no copy."""
    check_place(base, revision)
    pointer = {"base": base, "revision": revision, "sha256": model_digest(base)}
    with replacing_folder(out) as folder:
        write_pointer(folder, pointer)


def positions_of(config: PreTrainedConfig) -> int | None:
    """Return the most tokens that a model was made for; None if its config names no limit."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    return positions if isinstance(positions, int) and positions > 0 else None


def check_place(base: str, revision: str | None) -> None:
    """Raise InputError if a base is neither a model's folder nor a pinned name on the hub."""
    folder = Path(base)
    if not folder.is_dir():
        if base.startswith((".", "/", "data/")) or base.count("/") > 1:
            raise InputError(f"student.base: {base}: no such folder")
        if revision is None:
            raise InputError(
                f"student.base: {base}: no such folder; for a name on the hub, pin it by "
                "student.revision, a commit"
            )
    if (folder / ADAPTER).exists():
        raise InputError(f"student.base: {base}: is an adapter; merge it first (lion export)")


def model_digest(base: str) -> str | None:
    """Return a hash over a model folder's files; None for a name on the Hugging Face hub."""
    folder = Path(base)
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in {".json", ".safetensors", ".jinja", ".model"}:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def source_of(student: Path) -> tuple[str, str | None]:
    """Return where a student's full weights are: its folder, or its base's name and revision."""
    pointer = _pointer(student)
    return (pointer["base"], pointer["revision"]) if pointer else (str(student), None)


def load_student(folder: Path, *, options: LoadOptions = LoadOptions()) -> Loaded:
    """Load the model in student folder `folder`, or the base model that it points to."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    pointer = _pointer(folder)
    source, revision = source_of(folder)
    model, tokenizer = _load(source, revision, options), tokenizer_of(folder)
    own = model.generation_config.eos_token_id if model.generation_config else None
    ends = {tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])} - {None}
    # Sampling settings of the base would change the student's answers.
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=sorted(ends) or None
    )
    if (folder / ADAPTER).exists():
        model = _with_adapter(model, folder, source)
    return Loaded(model, tokenizer, folder, pointer, read_form(folder))


def tokenizer_of(student: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a student's folder, which for an adapter is that of its base."""
    tokenizer = load_tokenizer(*source_of(student))
    if read_form(student):
        think(tokenizer)
    return tokenizer


def load_tokenizer(source: str, revision: str | None) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model folder or hub name."""
    with _loading(source, problem="no tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            source, revision=revision, trust_remote_code=False
        )
    settle_template(tokenizer)
    return tokenizer


def load_config(source: str, revision: str | None) -> PreTrainedConfig:
    """Load the configuration of a model folder or hub name.

    InputError for masked and encoder-decoder models, which may load without an error.
    """
    with _loading(source):
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            source, revision=revision, trust_remote_code=False
        )
        kinds = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
        named = config.architectures or []
        if config.is_encoder_decoder or (named and not kinds.intersection(named)):
            raise ValueError(f"its config.json names {', '.join(named)}")
    return config


def stored_type(source: str, revision: str | None) -> torch.dtype:
    """Return the number type in which a model folder or hub name has its weights."""
    dtype = load_config(source, revision).dtype
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def is_adapter(model: PreTrainedModel) -> bool:
    """Whether `model` is a frozen base with an adapter."""
    return hasattr(model, "peft_config")


def quiet_peft(category: type[Warning] = FutureWarning) -> "warnings.catch_warnings[None]":
    """Silence peft's warnings of `category`; the default concerns only renamed calls."""
    return warnings.catch_warnings(action="ignore", category=category)


def load_options(settings: Student, compute: Compute, *, trained: bool) -> LoadOptions:
    """Set up the CPU; return how to load weights, which are float32 if they are `trained`."""
    launch.set_up_cpu(compute)
    dtype = torch.float32 if trained else precision(settings, compute)
    return LoadOptions(dtype=dtype, four_bit=settings.four_bit, attention=compute.attention)


def precision(settings: Student, compute: Compute) -> torch.dtype:
    """Return the number type of the arithmetic on this machine."""
    if settings.precision != "auto":
        return torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
    is_gpu = device(compute.device).type == "cuda"
    able = is_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if able else torch.float32


def device(choice: str = "auto") -> torch.device:
    """Return this process's accelerator if there is one and `choice` is not cpu, else the CPU."""
    if choice == "cpu":
        return torch.device("cpu")
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return torch.device("cpu")
    return torch.device(accelerator.type, int(os.environ.get("LOCAL_RANK", "0")))


def write_pointer(folder: Path, pointer: dict[str, Any]) -> None:
    """Write the file that names the base of a student's folder."""
    text = json.dumps(pointer, indent=2, sort_keys=True)
    (folder / POINTER).write_text(text + "\n", encoding="utf-8")


def _pointer(folder: Path) -> dict[str, Any] | None:
    """Return the contents of base.json in `folder`, if any; InputError if the base has changed."""
    if not (folder / POINTER).exists():
        return None
    pointer: dict[str, Any] = json.loads((folder / POINTER).read_text(encoding="utf-8"))
    if pointer["sha256"] != model_digest(pointer["base"]):
        raise InputError(
            f"{pointer['base']}: changed since the seed stage read it; run `dvc repro -f seed`"
        )
    return pointer


def _load(source: str, revision: str | None, options: LoadOptions) -> PreTrainedModel:
    config = load_config(source, revision)
    with _loading(source):
        return AutoModelForCausalLM.from_pretrained(
            source,
            revision=revision,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=options.dtype,
            attn_implementation=options.attention,
            quantization_config=_four_bit() if options.four_bit else None,
            device_map={"": device()} if options.four_bit else None,
        )


@contextmanager
def _loading(source: str, *, problem: str = "not a causal language model") -> Iterator[None]:
    """Turn the errors of loading into one line."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise InputError(f"student {source}: {problem}: {one_line(error)}") from None


def one_line(error: Exception) -> str:
    """Return the message of `error` as one short line."""
    return " ".join(str(error).split())[:300]


def _four_bit() -> BitsAndBytesConfig:
    try:
        import bitsandbytes  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        raise ParamsError(
            "student.four_bit: bitsandbytes is not installed; pip install 'lion[qlora]'"
        ) from None
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def _with_adapter(model: PreTrainedModel, folder: Path, base: str) -> PreTrainedModel:
    from peft import PeftModel

    config = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    trained_on = config["base_model_name_or_path"]
    if trained_on != base:
        raise InputError(
            f"{folder / ADAPTER}: an adapter of {trained_on}, but {POINTER} names the base {base}"
        )
    try:
        with quiet_peft():
            return PeftModel.from_pretrained(model, str(folder), is_trainable=True)  # type: ignore[return-value]
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{folder}: an adapter of another model than {base}: {one_line(error)[:200]}"
        ) from None
