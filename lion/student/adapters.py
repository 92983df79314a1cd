"""LoRA: a small adapter on a frozen base, trained further in every round."""

from collections import Counter
from typing import Any

from lion.params import Lora
from lion.student.models import Loaded, is_adapter, quiet_peft
from lion.support.errors import InputError, ParamsError


def prepare_adapter(loaded: Loaded, lora: Lora | None, *, recompute: bool) -> None:
    """Add a new adapter to the base, or check that the previous round's adapter matches `lora`."""
    if is_adapter(loaded.model):
        _check_shape(loaded, lora)
    elif lora is not None:
        _add_adapter(loaded, lora)
    else:
        return
    _refuse_tied_targets(loaded)
    if recompute:
        loaded.model.enable_input_require_grads()  # type: ignore[no-untyped-call]


def _check_shape(loaded: Loaded, lora: Lora | None) -> None:
    if lora is None:
        raise InputError(
            f"{loaded.folder}: this student is an adapter, but imitate.lora is null; set it as it "
            "was, or merge the student (lion export) and make it student.base"
        )
    before: Any = loaded.model.peft_config["default"]
    if (before.r, before.lora_alpha) != (lora.rank, lora.alpha):
        raise InputError(
            f"{loaded.folder}: its adapter has rank {before.r} and alpha {before.lora_alpha}, "
            f"imitate.lora says {lora.rank} and {lora.alpha}; an adapter keeps its shape"
        )


def _refuse_tied_targets(loaded: Loaded) -> None:
    """Raise ParamsError if the adapter changes a weight that two layers share.

    Merging it would change both layers, so the exported model would not be the trained one.
    """
    users = Counter(
        weight.data_ptr()
        for _, module in loaded.model.named_modules(remove_duplicate=False)
        for name, weight in module.named_parameters(recurse=False, remove_duplicate=False)
        if name == "weight"
    )
    tied = sorted(
        name.rpartition(".")[2]
        for name, module in loaded.model.named_modules()
        if hasattr(module, "lora_A") and users[module.get_base_layer().weight.data_ptr()] > 1
    )
    if tied:
        raise ParamsError(
            f"imitate.lora.targets: {', '.join(tied)} shares its weight with another layer (tied "
            "embeddings), so the adapter could not be merged; leave lm_head and the embeddings out"
        )


def _add_adapter(loaded: Loaded, lora: Lora) -> None:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if loaded.base is None:
        raise InputError(
            f"{loaded.folder}: this student is a whole model, trained without imitate.lora; start "
            "at round 0 with imitate.lora, or set it to null"
        )
    if getattr(loaded.model, "is_loaded_in_4bit", False):
        loaded.model = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
            loaded.model, use_gradient_checkpointing=False
        )
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        task_type="CAUSAL_LM",
    )
    try:
        with quiet_peft(Warning):  # _refuse_tied_targets replaces its warning by an error
            loaded.model = get_peft_model(loaded.model, config)  # type: ignore[assignment]
    except ValueError as error:
        names = {name.rpartition(".")[2] for name, _ in loaded.model.named_modules()} - {""}
        raise ParamsError(
            f"imitate.lora.targets: {lora.targets} match no layer of {loaded.base['base']} "
            f"({str(error)[:60]}...); its layers are called {', '.join(sorted(names))[:300]}"
        ) from None
