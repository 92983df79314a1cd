"""llama.cpp's server on the model of benchmarks.student; needs `pip install gguf xllamacpp`."""

import json
import math
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks.student_data import ANSWER, END, LIMIT, PAD, clock, load
from lion.student.models import Loaded
from lion.student.template import encode_prompt

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


def llama(base: Path, tasks: list[str], batch: int) -> dict[str, float]:
    """Answer the prompts with llama.cpp's server, `batch` at a time, in float32."""
    from xllamacpp import CommonParams, Server  # an extra that few need

    loaded = load(base)
    prompts = [encode_prompt(loaded.tokenizer, task) for task in tasks]
    params = CommonParams()
    params.n_parallel = batch
    params.n_ctx = batch * (max(map(len, prompts)) + LIMIT)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = torch.get_num_threads()
    params.cache_ram_mib = 0  # it would keep the states of ended answers
    params.verbosity = 0
    sampling = {
        "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "max_tokens": LIMIT,
        "logit_bias": [[END, math.log(len(loaded.tokenizer) / ANSWER)]], "cache_prompt": False,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(batch) as threads:
        params.model.path = str(Path(folder) / "model.gguf")
        write_gguf(loaded, Path(params.model.path))
        server = Server(params)
        begun = clock()
        asked = [{**sampling, "prompt": prompt, "seed": row} for row, prompt in enumerate(prompts)]
        replies = list(threads.map(server.handle_completions, asked))
        seconds = clock() - begun
    tokens = sum(int(reply["usage"]["completion_tokens"]) for reply in replies)
    return {"tokens_per_second": tokens / seconds}


def write_gguf(loaded: Loaded, path: Path) -> None:
    """Write a Llama and its tokenizer.

    llama.cpp expects the channels of a head in another order. This changes the answers of a model
    with random weights, but not their speed.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, TokenType

    model: Any = loaded.model
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
    bpe = json.loads(loaded.tokenizer.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(sorted(bpe["vocab"], key=bpe["vocab"].__getitem__))
    writer.add_token_types(
        [
            TokenType.CONTROL if id in (PAD, END) else TokenType.NORMAL
            for id in range(len(bpe["vocab"]))
        ]
    )
    writer.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    writer.add_eos_token_id(END)
    writer.add_bos_token_id(END)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(False)
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
