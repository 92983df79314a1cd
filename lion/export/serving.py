"""Serving an exported student elsewhere: commands, llama.cpp's GGUF file, Ollama's Modelfile."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lion.support.errors import InputError
from lion.support.files import replacing
from lion.support.text import brief

if TYPE_CHECKING:
    from lion.student.served import Layout, Vocabulary

Server = Literal["vllm", "ollama", "transformers"]
GGUF, MODELFILE = "student.gguf", "Modelfile"  # files in the folder of an export
_PORTS = {"llama.cpp": 8080, "vllm": 8000, "ollama": 11434, "transformers": 8000}
SCRIPT = "convert_hf_to_gguf.py"
TYPES = ("auto", "f32", "f16", "bf16", "q8_0")  # number types that the converter writes
HOME = "LLAMA_CPP"  # environment variable with the folder of llama.cpp's source
_EXTRA = "pip install 'lion[gguf]'"
_CONFIG = "tokenizer_config.json"
# The converter prefers the tokenizer's own setting to the one in tokenizer_config.json.
_WITHOUT_BOS = """
import sys, gguf
field = gguf.GGUFReader(sys.argv[1], "r+").fields["tokenizer.ggml.add_bos_token"]
field.parts[field.data[0]][0] = False
"""


def commands(server: str, export: Path, name: str) -> list[str]:
    """Return the command lines that serve the student in folder `export` as model `name`.

    The last line is a comment with the server's address and the model's name there.
    """
    student, gguf, modelfile = (
        shlex.quote(str(export / file)) for file in ("student", GGUF, MODELFILE)
    )
    lines = {
        "llama.cpp": [f"llama-server -m {gguf} --alias {name}"],
        "vllm": [f"vllm serve {student} --served-model-name {name}"],
        "ollama": [f"ollama create {name} -f {modelfile}"],
        "transformers": ["pip install 'transformers[serving]'", f"transformers serve {student}"],
    }[server]
    model = str(export / "student") if server == "transformers" else name
    address = f"http://127.0.0.1:{_PORTS[server]}/v1"
    return [*lines, f"# OpenAI's protocol at {address}, model: {model}"]


def modelfile(layout: "Layout", *, temperature: float) -> str:
    """Return Ollama's Modelfile, since Ollama ignores the GGUF's chat template for a Go template.

    InputError if a text of the template cannot be part of a Modelfile.
    """
    before = _go(layout.before)
    if layout.system:
        opening, closing = map(_go, layout.system)
        before = f"{{{{ if .System }}}}{opening}{{{{ .System }}}}{closing}{{{{ else }}}}{before}"
        before += "{{ end }}"
    after = "{{ .Response }}" + _go(layout.after)
    template = f"{before}{{{{ .Prompt }}}}{_go(layout.between)}{after}"
    lines = [
        f"FROM ./{GGUF}",
        f'TEMPLATE """{template}"""',
        f"PARAMETER temperature {temperature:g}",
    ]
    return "\n".join(lines) + "\n"


def find_converter() -> Path:
    """Return the converter in the folder LLAMA_CPP, else the one on PATH; InputError if missing."""
    folder = os.environ.get(HOME)
    script = Path(folder) / SCRIPT if folder else shutil.which(SCRIPT)
    if script and Path(script).is_file():
        return Path(script).absolute()
    where = f"{HOME}={folder}" if folder else "--gguf"
    raise InputError(
        f"{where}: llama.cpp's converter {SCRIPT} is missing; git clone "
        f"https://github.com/ggml-org/llama.cpp, and set {HOME} to its folder; {_EXTRA}"
    )


def write_gguf(
    student: Path, out: Path, *, converter: Path, kind: str, name: str, vocabulary: "Vocabulary"
) -> None:
    """Convert folder `student`, a whole model, to the GGUF file `out` with numbers of type `kind`.

    A chat endpoint of llama.cpp then turns a prompt into the same tokens as Lion does. If the
    converter fails, InputError has its last line.
    """
    with tempfile.TemporaryDirectory() as scratch, replacing(out) as written:
        folder = Path(scratch) / "student"
        _prepare(student, folder, vocabulary)
        options = ["--outfile", str(written), "--outtype", kind, "--model-name", name]
        _run(student, converter, str(converter), str(folder), *options)
        if not vocabulary.adds_bos:
            _run(student, converter, "-c", _WITHOUT_BOS, str(written))


def _prepare(student: Path, folder: Path, vocabulary: "Vocabulary") -> None:
    """Fill `folder` with links to the student's files and a configuration for the converter.

    Without add_bos_token and add_prefix_space, the converter guesses how a prompt begins.
    """
    folder.mkdir()
    for file in student.iterdir():
        if file.name != _CONFIG:
            (folder / file.name).symlink_to(file.absolute())
    if vocabulary.sentencepiece:
        (folder / "tokenizer.model").unlink(missing_ok=True)
        (folder / "tokenizer.model").symlink_to(vocabulary.sentencepiece.absolute())
    elif vocabulary.needs_sentencepiece:
        raise InputError(
            f"{student}: its base has no tokenizer.model, without which llama.cpp splits words "
            "differently from training; add the base's own file to this folder"
        )
    config = json.loads((student / _CONFIG).read_text(encoding="utf-8"))
    config |= {"add_bos_token": vocabulary.adds_bos, "add_eos_token": False}
    config["add_prefix_space"] = vocabulary.adds_space
    (folder / _CONFIG).write_text(json.dumps(config), encoding="utf-8")


def _run(student: Path, converter: Path, *arguments: str) -> None:
    """Run Python with llama.cpp's own gguf package, in preference to an installed one."""
    paths = [str(converter.parent / "gguf-py"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"{student}: {_reason(done.stderr)}")


def _reason(errors: str) -> str:
    """Return why the converter failed, from the last line that it wrote."""
    last = brief((errors.strip().splitlines() or ["it wrote no file"])[-1], 200)
    if "No module named" in last:
        return f"llama.cpp's converter lacks a package ({last}); {_EXTRA}"
    if "pre-tokenizer was not recognized" in last:
        return (
            "llama.cpp does not know this tokenizer, so it cannot serve the student; serve it with "
            "--to vllm or --to transformers, or train a base that llama.cpp knows"
        )
    return f"llama.cpp's converter failed: {last}"


def _go(text: str) -> str:
    """Escape `text` for a Go template in a Modelfile."""
    if '"""' in text:
        raise InputError('the chat template contains """, which would end the text in a Modelfile')
    return text.replace("{{", '{{ "{{" }}')
