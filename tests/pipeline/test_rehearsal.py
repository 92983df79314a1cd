"""The rehearsal's own parts: seeds, the stand-in provider, what is counted, the table of growth."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from benchmarks.rehearsal_data import SEEDS, varied
from benchmarks.rehearsal_replies import Replies
from benchmarks.rehearsal_stages import Provider, serving
from benchmarks.rehearsal_table import growth
from lion.discriminate.verdicts import parse_scores
from lion.prompts import Message, render, score_mark
from tests.repository import ROOT

ROWS: list[dict[str, Any]] = [
    {"instruction": f"Verb{n} {n} of noun{n} in place{n}", "input": "", "output": "red " * n}
    for n in range(1, 101)
]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("rehearsal")
    (root / SEEDS).parent.mkdir(parents=True)
    (root / SEEDS).write_text(json.dumps(ROWS))
    with serving(root / "server", root, ["--errors", "0", "--unreadable", "0"]) as provider:
        yield provider


def ask(provider: Provider, messages: tuple[Message, ...], seed: int = 1) -> httpx2.Response:
    body = {"model": "m", "messages": messages, "seed": seed, "max_tokens": 100}
    return httpx2.post(f"{provider.url}/chat/completions", json=body)


def text_of(response: httpx2.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


def test_seeds_are_distinct_the_same_each_time_and_in_part_real() -> None:
    seeds = varied(ROWS, 300)
    assert seeds == varied(ROWS, 300)
    assert len({(row["instruction"], row["input"]) for row in seeds}) == 300
    assert seeds[:50] == ROWS[:50]
    with pytest.raises(ValueError, match="too few"):
        varied(ROWS[:3], 300)


@pytest.mark.parametrize("protocol", ["referee.txt", "judge.txt"])
def test_the_referee_fills_the_form_and_prefers_the_longer_answer(
    provider: Provider, protocol: Any
) -> None:
    texts = ("Name a colour", "Red is a colour, as are green and blue. " * 4, "x")
    messages = render(protocol, task=texts[0], answer_1=texts[1], answer_2=texts[2])
    scores = parse_scores(text_of(ask(provider, messages)), cut=False, mark=score_mark(*texts))
    assert scores
    assert scores[0] > scores[1]


def test_a_draft_differs_from_its_example_and_follows_from_the_request(provider: Provider) -> None:
    messages = render("generator_hard.txt", task="Name 3 things that a river can do")
    drafts = [text_of(ask(provider, messages, seed)) for seed in (1, 2, 3, 1)]
    assert drafts[0] == drafts[3]
    assert len({*drafts}) == 3


def test_it_counts_what_it_answered_and_what_it_answered_again(provider: Provider) -> None:
    before, twice = provider.answered(), provider.paid_twice()
    for seed in (1, 2, 2):
        ask(provider, render("teacher.txt", task="Count to three"), seed)
    assert provider.answered() == before + 3
    assert provider.paid_twice() == twice + 1


def test_a_share_of_replies_cannot_be_used() -> None:
    every = Replies(ROWS, unreadable=1.0)
    example = "<task ab>\nName a river\n</task ab>"
    assert every.text("You write tasks", example, bytes(16)).startswith("I'm sorry")
    assert len(every.text("You are a knowledgeable", "Name a river", bytes(16))) > 4000
    verdict = every.text("You are a strict and impartial referee", example, bytes(16))
    assert parse_scores(verdict, cut=False, mark="abc123") is None


def test_errors_and_a_rate_limit_are_refusals(tmp_path: Path) -> None:
    (tmp_path / SEEDS).parent.mkdir(parents=True)
    (tmp_path / SEEDS).write_text(json.dumps(ROWS))
    with serving(tmp_path / "server", tmp_path, ["--errors", "1", "--rate", "2"]) as provider:
        task = render("teacher.txt", task="Count to three")
        with httpx2.Client() as client:  # one connection, so one process
            body = {"model": "m", "messages": task, "seed": 1}
            url = f"{provider.url}/chat/completions"
            statuses = [client.post(url, json=body).status_code for _ in range(4)]
        assert {*statuses[:2]} <= {500, 503}
        assert statuses[2:] == [429, 429]
        assert (provider.answered(), provider.refused()) == (0, 4)


def test_the_server_ends_with_its_parent_even_by_kill_9(tmp_path: Path) -> None:
    (tmp_path / SEEDS).parent.mkdir(parents=True)
    (tmp_path / SEEDS).write_text(json.dumps(ROWS))
    code = (
        "import sys, os, signal, pathlib\n"
        "from benchmarks.rehearsal_stages import serving\n"
        f"root = pathlib.Path({str(tmp_path)!r})\n"
        "with serving(root / 'server', root, []) as provider:\n"
        "    print(provider.url, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    with pytest.raises(httpx2.TransportError):
        for _ in range(500):
            httpx2.get(done.stdout.strip(), timeout=5)


def test_the_table_of_growth_adds_rounds_and_tells_the_exponent() -> None:
    def lines(factor: int) -> list[dict[str, Any]]:
        line = {"seconds": 1.0, "dvc_seconds": 0.0, "requests": 10, "peak_mb": 100.0}
        return [line | {"stage": f"teach@r{n}", "cpu": 2.0 * factor**2} for n in (0, 1)]

    table = growth({1000: lines(1), 2000: lines(2), 4000: lines(4)}).splitlines()
    assert table[1].split() == ["teach", "1000", "2.0", "4.0", "0.0", "100", "20", "-", "-"]
    assert table[3].split()[-2:] == ["2.00", "0.00"]
