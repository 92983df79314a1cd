"""The commands that serve an exported student, and Ollama's Modelfile."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lion.support.errors import InputError

if TYPE_CHECKING:
    from lion.student.served import Layout

Server = Literal["vllm", "ollama", "transformers"]
GGUF, MODELFILE = "student.gguf", "Modelfile"  # files in the folder of an export
_PORTS = {"llama.cpp": 8080, "vllm": 8000, "ollama": 11434, "transformers": 8000}


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


def _go(text: str) -> str:
    """Escape `text` for a Go template in a Modelfile."""
    if '"""' in text:
        raise InputError('the chat template contains """, which would end the text in a Modelfile')
    return text.replace("{{", '{{ "{{" }}')
