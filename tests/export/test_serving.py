"""An exported student behind other programs' servers answers what Lion's own engine answers.

The test of llama.cpp needs its server, its source and `pip install 'lion[gguf]'`:
LLAMA_SERVER=path/to/llama-server LLAMA_CPP=path/to/llama.cpp pytest tests/export/test_serving.py
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerBase

from lion.export.serving import find_converter, write_gguf
from lion.student.served import vocabulary_of
from tests.export.serving import by_lion, by_server, questions, serving, trained_student
from tests.repository import ROOT

TASKS = [task for task, _ in questions()]


def _without_template() -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "data" / "base")
    tokenizer.chat_template = None
    return tokenizer


def test_transformers_serve_answers_what_lion_answers(tmp_path: Path) -> None:
    student = trained_student(_without_template(), tmp_path)
    mine = by_lion(tmp_path / "r0", TASKS)
    assert len({answer for answer, _, _ in mine}) > 10  # it learnt to tell tasks apart
    command = Path(sys.executable).with_name("transformers")
    with serving(str(command), "serve", str(student), "--device", "cpu") as url:
        assert by_server(url, str(student), TASKS) == mine


def _missing_for_llama() -> str:
    missing = [name for name in ("LLAMA_SERVER", "LLAMA_CPP") if not os.environ.get(name)]
    if not importlib.util.find_spec("sentencepiece"):
        missing.append("pip install 'lion[gguf]'")
    return f"needs {', '.join(missing)}" if missing else ""


@pytest.mark.skipif(bool(_missing_for_llama()), reason=_missing_for_llama())
@pytest.mark.parametrize("bos", [True, False])
def test_llama_server_answers_what_lion_answers(tmp_path: Path, bos: bool) -> None:
    tokenizer = _sentencepiece(tmp_path, bos=bos)
    assert (tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id) == bos
    student = trained_student(tokenizer, tmp_path)
    shutil.copy(tmp_path / "tokenizer.model", tmp_path / "base")  # as bases have it
    file = tmp_path / "student.gguf"
    write_gguf(
        student,
        file,
        converter=find_converter(),
        kind="f32",
        name="lion-r0",
        vocabulary=vocabulary_of(tmp_path / "base", student),
    )
    mine = by_lion(tmp_path / "r0", TASKS)
    assert len({answer for answer, _, _ in mine}) > 10
    server = [os.environ["LLAMA_SERVER"], "-m", str(file), "-c", "512", "-np", "1", "-t", "1"]
    exact = [
        "-ctk",
        "f32",
        "-ctv",
        "f32",
        "-fa",
        "off",
    ]  # by default its cache is in half precision
    with serving(*server, *exact) as url:
        assert by_server(url, "lion-r0", TASKS) == mine


def _sentencepiece(folder: Path, *, bos: bool) -> PreTrainedTokenizerBase:
    """Train a tokenizer like that of Llama 2: words that depend on the order of merges."""
    import sentencepiece

    text = folder / "text.txt"
    text.write_text("\n".join(f"{task} {answer} # Task Answer" for task, answer in questions()))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=400,
        byte_fallback=True,
        hard_vocab_limit=False,
    )
    return LlamaTokenizer.from_pretrained(folder, add_bos_token=bos)
