"""What `lion export --gguf` and `--to` say: commands, Ollama's Modelfile, and why it failed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lion.cli import main
from lion.export.serving import commands, find_converter, modelfile, write_gguf
from lion.student.served import Layout, Vocabulary, layout_of, vocabulary_of
from lion.support.errors import InputError
from tests.repository import ROOT

NONE = Vocabulary(None, needs_sentencepiece=False, adds_bos=False, adds_space=False)
BASE = ROOT / "data" / "base"


@pytest.fixture(autouse=True)
def no_converter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def _converter(folder: Path, text: str) -> Path:
    """Write a program that stands where llama.cpp's converter stands."""
    folder.mkdir()
    (folder / "convert_hf_to_gguf.py").write_text(text)
    (folder / "convert_hf_to_gguf.py").chmod(0o755)
    return folder


def test_a_missing_converter_is_said_before_anything_is_written() -> None:
    result = CliRunner().invoke(main, ["export", "--round", "r3", "--gguf"])
    assert result.exit_code == 1
    assert result.output == (
        "Error: --gguf: llama.cpp's converter convert_hf_to_gguf.py is missing; git clone "
        "https://github.com/ggml-org/llama.cpp, and set LLAMA_CPP to its folder; "
        "pip install 'lion[gguf]'\n"
    )


def test_the_converter_is_that_of_the_folder_or_of_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_path = _converter(tmp_path / "bin", "#!/usr/bin/env python3\n")
    assert find_converter().parent == on_path
    own = _converter(tmp_path / "llama.cpp", "")
    monkeypatch.setenv("LLAMA_CPP", str(own))
    assert find_converter().parent == own
    monkeypatch.setenv("LLAMA_CPP", str(tmp_path))
    with pytest.raises(InputError, match=f"LLAMA_CPP={tmp_path}: llama.cpp's converter"):
        find_converter()


@pytest.mark.parametrize(
    ("program", "vocabulary", "message"),
    [
        ("import nosuchpackage", NONE, "lacks a package .*nosuchpackage.*lion\\[gguf\\]"),
        (
            "raise NotImplementedError('BPE pre-tokenizer was not recognized - update')",
            NONE,
            "llama.cpp does not know this tokenizer",
        ),
        ("raise SystemExit('no \\x1b[31mroom')", NONE, "failed: no ⟦U\\+001B⟧\\[31mroom"),
        ("", replace(NONE, needs_sentencepiece=True), "its base has no tokenizer.model"),
    ],
)
def test_a_failure_is_one_line_and_leaves_no_file(
    tmp_path: Path, program: str, vocabulary: Vocabulary, message: str
) -> None:
    converter = _converter(tmp_path / "llama.cpp", program) / "convert_hf_to_gguf.py"
    out = tmp_path / "out" / "student.gguf"
    with pytest.raises(InputError, match=message) as raised:
        write_gguf(BASE, out, converter=converter, kind="f32", name="x", vocabulary=vocabulary)
    assert "\n" not in raised.value.format_message()
    assert not list(out.parent.iterdir())


def test_a_server_adds_bos_where_tokenizer_and_template_agree(tmp_path: Path) -> None:
    vocabulary = vocabulary_of(BASE, BASE)  # its template writes BOS, its tokenizer adds none
    assert vocabulary == NONE
    assert layout_of(BASE).before == "<|bos|>"
    shutil.copytree(BASE, tmp_path / "adding")
    file = tmp_path / "adding" / "tokenizer.json"
    facts = json.loads(file.read_text())
    bos = {"SpecialToken": {"id": "<|bos|>", "type_id": 0}}
    facts["post_processor"]["single"].insert(0, bos)
    facts["post_processor"]["special_tokens"] = {
        "<|bos|>": {"id": "<|bos|>", "ids": [1], "tokens": ["<|bos|>"]}
    }
    file.write_text(json.dumps(facts))
    assert vocabulary_of(BASE, tmp_path / "adding").adds_bos
    assert layout_of(tmp_path / "adding").before == ""


@pytest.mark.parametrize(
    ("server", "lines"),
    [
        ("vllm", ["vllm serve 'a b/student' --served-model-name lion-r3"]),
        ("ollama", ["ollama create lion-r3 -f 'a b/Modelfile'"]),
        ("llama.cpp", ["llama-server -m 'a b/student.gguf' --alias lion-r3"]),
        (
            "transformers",
            ["pip install 'transformers[serving]'", "transformers serve 'a b/student'"],
        ),
    ],
)
def test_commands_can_be_pasted(server: str, lines: list[str]) -> None:
    shown = commands(server, Path("a b"), "lion-r3")
    assert shown[:-1] == lines
    assert shown[-1].startswith("# OpenAI's protocol at http://127.0.0.1:")


def test_ollamas_template_is_the_students() -> None:
    layout = Layout("<u>{{x}}", ("<s>", "</s><u>"), "</u><a>", "</a>")
    assert modelfile(layout, temperature=0.7) == (
        'FROM ./student.gguf\nTEMPLATE """{{ if .System }}<s>{{ .System }}</s><u>{{ else }}'
        '<u>{{ "{{" }}x}}{{ end }}{{ .Prompt }}</u><a>{{ .Response }}</a>"""\n'
        "PARAMETER temperature 0.7\n"
    )
    with pytest.raises(InputError, match='"""'):
        modelfile(Layout('"""', None, "", ""), temperature=0)
