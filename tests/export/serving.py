"""Exported students, and the answers of servers' chat endpoints."""

import json
import os
import random
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from lion.params import Compute, Imitate
from lion.pools.instructions import Task, messages_of
from lion.student.decoding import Work, decode
from lion.student.merge import merge
from lion.student.models import load_student
from lion.student.saving import save_student
from lion.student.template import encode_prompt, pad_id
from lion.student.training import train
from tests.student.tiny import write_tiny

_WORDS = ("red", "green", "blue", "apple", "pear", "lemon", "river", "stone", "cloud", "lamp")
_LIMIT = 24  # tokens of an answer
_PATIENCE = 120  # seconds until a server is up, on a busy machine
_SETTINGS = Imitate(
    epochs=60, learning_rate=1e-2, warmup=0.03, weight_decay=0.0, batch=20, max_length=200
)
Said = tuple[str, int, int]  # answer, tokens of the prompt, tokens of the answer


def questions() -> list[tuple[Task, str]]:
    """Return 20 tasks with answers: on one line, with an input, or with a system prompt."""
    rng = random.Random(1)
    lists = [rng.sample(_WORDS, 3) for _ in range(20)]
    return [
        (_task(number, " ".join(words)), " ".join(reversed(words)))
        for number, words in enumerate(lists)
    ]


def _task(number: int, words: str) -> Task:
    if number % 4 == 3:
        system = {"role": "system", "content": "Reverse\tthe user's list."}
        return system, {"role": "user", "content": words}
    return f"Reverse: {words}" if number % 2 else f"Reverse this list.\n\n{words}"


def trained_student(tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    """Train a tiny Llama with the template of `tokenizer`; return the folder of its export."""
    write_tiny(folder / "base", tokenizer, width=64, max_position_embeddings=256)
    loaded = load_student(folder / "base")
    train(loaded, questions(), settings=_SETTINGS, compute=Compute(), seed=1, label="imitate r0")
    save_student(loaded, folder / "r0")
    merge(folder / "r0", folder / "student", lessons=questions())
    return folder / "student"


def by_lion(student: Path, tasks: Sequence[Task]) -> list[Said]:
    """Return greedy answers of Lion's own engine."""
    loaded = load_student(student)
    prompts = [encode_prompt(loaded.tokenizer, task) for task in tasks]
    work = Work(prompts, [0] * len(tasks), temperature=0.0, max_tokens=_LIMIT)
    steps = decode(
        loaded.model,
        work,
        range(len(tasks)),
        batch=8,
        pad=pad_id(loaded.tokenizer),
        ends=loaded.ends,
    )
    rows = dict(row for ended in steps for row in ended)
    texts = [loaded.tokenizer.decode(rows[n], skip_special_tokens=True) for n in range(len(tasks))]
    return [(texts[n].strip(), len(prompts[n]), len(rows[n])) for n in range(len(tasks))]


def by_server(url: str, model: str, tasks: Sequence[Task]) -> list[Said]:
    """Return greedy answers of the chat endpoint at `url`."""
    return [_ask(url, model, task) for task in tasks]


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """Run a server with --port and yield its address once it is healthy."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    server = subprocess.Popen(
        [*command, "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait(server, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.communicate()


def _wait(server: "subprocess.Popen[str]", address: str) -> None:
    for _ in range(_PATIENCE * 4):
        assert server.poll() is None, server.communicate()[0]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError(f"{address}: no answer in {_PATIENCE} s")


def _ask(url: str, model: str, task: Task) -> Said:
    body: dict[str, Any] = {
        "model": model,
        "messages": messages_of(task),
        "temperature": 0,
        "max_tokens": _LIMIT,
    }
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        reply = json.load(response)
    usage = reply["usage"]
    text = reply["choices"][0]["message"]["content"]
    return text.strip(), usage["prompt_tokens"], usage["completion_tokens"]
