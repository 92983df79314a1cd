"""llama.cpp's speed on the model of benchmarks.student; needs `pip install gguf`."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.student_data import ANSWER, load
from lion.student.template import encode_prompt

CONTEXT = 256  # llama.cpp rounds the context of each row up to a multiple of this
WEIGHTS = {  # names in GGUF and in transformers
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def llama(program: str, base: Path, tasks: list[str], batch: int) -> dict[str, float]:
    """Run llama-batched-bench: `batch` rows of the mean prompt and answer, all of equal length.

    Rows of equal length suit it best: none ends early, and none waits for another. It does not
    sample. The figure covers prompts and answers, as in the other ways.
    """
    loaded = load(base)
    prompt = sum(len(encode_prompt(loaded.tokenizer, task)) for task in tasks) // len(tasks)
    context = batch * CONTEXT * -(-(prompt + ANSWER) // CONTEXT)
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        write_gguf(loaded.model, path)
        settings = {
            "-m": path, "-c": context, "-b": 2048, "-npp": prompt, "-ntg": ANSWER, "-npl": batch,
            "-t": threads, "-tb": threads, "--output-format": "jsonl",
        }  # fmt: skip
        command = [program, *(str(part) for pair in settings.items() for part in pair)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    [line] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {"tokens_per_second": batch * ANSWER / line["t"]}


def write_gguf(model: Any, path: Path) -> None:
    """Write a Llama without a tokenizer. The order of a head's channels does not matter for speed.

    llama.cpp expects them in another order than transformers, so the text would be nonsense.
    """
    from gguf import GGMLQuantizationType, GGUFWriter  # an extra that few need

    config, state = model.config, model.state_dict()
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("none")
    names = dict(WEIGHTS)
    for number in range(config.num_hidden_layers):
        layer = f"model.layers.{number}"
        names |= {f"blk.{number}.{ours}": f"{layer}.{theirs}" for ours, theirs in LAYER.items()}
    for ours, theirs in names.items():
        tensor = state[f"{theirs}.weight"].float().numpy()
        writer.add_tensor(f"{ours}.weight", tensor, raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
