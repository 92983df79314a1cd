"""The commands that serve an exported student, and Ollama's Modelfile."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lion.support.errors import InputError

if TYPE_CHECKING:
    from lion.student.served import Layout

Server = Literal["vllm", "ollama", "transformers"]
_URLS = {"llama.cpp": 8080, "vllm": 8000, "ollama": 11434, "transformers": 8000}  # their ports


def commands(server: str, *, student: Path, gguf: Path, modelfile: Path, name: str) -> list[str]:
    """Return the command lines that serve a student as model `name`, and a comment about them."""
    folder = shlex.quote(str(student))
    lines = {
        "llama.cpp": [f"llama-server -m {shlex.quote(str(gguf))} --alias {name}"],
        "vllm": [f"vllm serve {folder} --served-model-name {name}"],
        "ollama": [f"ollama create {name} -f {shlex.quote(str(modelfile))}"],
        "transformers": ["pip install 'transformers[serving]'", f"transformers serve {folder}"],
    }[server]
    model = str(student) if server == "transformers" else name
    address = f"http://127.0.0.1:{_URLS[server]}/v1"
    return [*lines, f"# OpenAI's protocol at {address}, model: {model}"]


def modelfile(gguf: Path, layout: "Layout", *, temperature: float) -> str:
    """Return Ollama's Modelfile: it renders Go templates, not the chat template in the GGUF.

    InputError if a text cannot stand in one.
    """
    before = _go(layout.before)
    if layout.system:
        opening, closing = map(_go, layout.system)
        before = f"{{{{ if .System }}}}{opening}{{{{ .System }}}}{closing}{{{{ else }}}}{before}"
        before += "{{ end }}"
    after = "{{ .Response }}" + _go(layout.after)
    template = f"{before}{{{{ .Prompt }}}}{_go(layout.between)}{after}"
    lines = [
        f"FROM ./{gguf.name}",
        f'TEMPLATE """{template}"""',
        f"PARAMETER temperature {temperature:g}",
    ]
    return "\n".join(lines) + "\n"


def _go(text: str) -> str:
    """Return `text` as literal text of a Go template in a Modelfile."""
    if '"""' in text:
        raise InputError('the chat template holds """, which ends the text of a Modelfile')
    return text.replace("{{", '{{ "{{" }}')
