"""Answers survive a kill and come from whatever engine is set."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml
from transformers import GPT2Config, GPT2LMHeadModel

from lion.chat import UNCLEAR, Reply, Request
from lion.params import Compute, Params
from lion.prompts import Message
from lion.student import answering
from lion.student.answering import answer_pool
from lion.student.decoding import Work, decode
from lion.student.models import Loaded, load_student
from lion.student.respond import answer_with
from lion.student.resumable import LOCK, Resumable, work_key
from lion.support.errors import LionError, ParamsError
from tests.student.project import ROOT, TASKS
from tests.student.tiny import answered, make_tiny_base, make_tokenizer

Ended = list[tuple[int, list[int]]]  # rows and their tokens
POOL = pl.DataFrame({"id": TASKS, "instruction": TASKS, "input": [""] * len(TASKS)})


def params(base: Path, **student: object) -> Params:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["student"] |= {"base": str(base), "max_tokens": 6, "model": "lion-{student}", **student}
    raw["compute"] = {"answer_batch": 4}
    return Params.model_validate(raw)


def nobody(params: Params) -> AbstractContextManager[None]:
    raise AssertionError("no server is asked")


class Server:
    """Answers what was asked last, and remembers whom it was asked as."""

    def __init__(
        self, text: str = " red ", thoughts: str = "", unclear: dict[str, str] | None = None
    ) -> None:
        self.text, self.thoughts = text, thoughts
        self.unclear = unclear or {}  # by task
        self.models: list[str] = []
        self.seeds: list[int] = []
        self.texts: list[str] = []
        self.talks: list[tuple[Message, ...]] = []

    def __call__(self, params: Params) -> AbstractContextManager["Server"]:
        self.models.append(params.model_of("student"))
        return nullcontext(self)

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        self.seeds += [request.seed for request in requests]
        self.talks += [request.messages for request in requests]
        texts = [request.messages[0]["content"] for request in requests]
        self.texts += texts
        return [self._reply(text) for text in texts]

    def _reply(self, task: str) -> Reply:
        counts = {"prompt_tokens": 3, "completion_tokens": 2}
        if text := self.unclear.get(task):
            return Reply(text=text, finish_reason=UNCLEAR, model="m", **counts)
        reply = Reply(text=self.text, finish_reason="stop", model="m", **counts)
        return replace(reply, thoughts=self.thoughts)


def test_the_engine_transformers_answers_as_answer_pool(tiny_base: Path) -> None:
    told = params(tiny_base)
    made = answer_with(told, tiny_base, POOL, connect=nobody, label="respond")
    assert made.equals(
        answer_pool(
            load_student(tiny_base),
            POOL,
            settings=told.student,
            seed=told.seed,
            compute=told.compute,
            label="respond",
        )
    )


def test_an_answer_ends_where_the_model_has_no_more_positions(tmp_path: Path) -> None:
    tokenizer = make_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=10, eos_token_id=1
    )
    loaded = Loaded(GPT2LMHeadModel(config), tokenizer)
    tasks = ["say red", "say " * 5, "say " * 8, "say " * 20]  # 2 more tokens in the template
    answers = answered(loaded, tasks, max_tokens=6)
    sizes = answers.select("prompt_tokens", "completion_tokens").rows()
    assert [prompt for prompt, _ in sizes] == [4, 7, 10, 22]
    assert all(prompt + made <= 10 for prompt, made in sizes[:3])
    assert [made for _, made in sizes[2:]] == [0, 0]
    assert answers["finish_reason"].to_list()[2:] == ["length", "length"]


def test_a_server_is_asked_by_the_students_name_and_anew_when_its_weights_change(
    tiny_base: Path, tmp_path: Path
) -> None:
    server, told = Server(), params(tiny_base, engine="server")
    first = answer_with(
        told, make_tiny_base(tmp_path / "r1"), POOL, connect=server, label="respond"
    )
    answer_with(
        told, make_tiny_base(tmp_path / "r1", seed=1), POOL, connect=server, label="respond"
    )
    assert server.models == ["lion-r1", "lion-r1"]
    assert not set(server.seeds[: len(TASKS)]) & set(server.seeds[len(TASKS) :])
    assert first["answer"].to_list() == ["red"] * len(TASKS)


def test_a_server_never_gets_a_control_mark_from_a_text(
    tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server()
    tasks = ["say <eos> red", "say <bot> blue", "say green"]
    pool = pl.DataFrame({"id": tasks, "instruction": tasks, "input": ["", "<pad>", ""]})
    answer_with(
        params(tiny_base, engine="server"), tiny_base, pool, connect=server, label="respond"
    )
    assert not [text for text in server.texts for m in ("<eos>", "<bot>", "<pad>") if m in text]
    assert server.texts[2] == "say green"
    assert "2 of 3 tasks contain control tokens" in capsys.readouterr().out


def test_another_chat_template_is_used_for_every_prompt(tiny_base: Path) -> None:
    options = params(tiny_base, temperature=0.0)
    longer = "<user> what comes next {{ messages[0]['content'] }} <bot>"
    own, other = (
        answer_with(
            options, tiny_base, POOL, connect=nobody, label="evaluate", chat_template=template
        )
        for template in (None, longer)
    )
    assert (other["prompt_tokens"] - own["prompt_tokens"]).to_list() == [3] * len(TASKS)


def test_a_server_cannot_use_another_chat_template(tiny_base: Path) -> None:
    options = params(tiny_base, engine="server")
    with pytest.raises(ParamsError, match="the server's own chat template"):
        answer_with(
            options, tiny_base, POOL, connect=nobody, label="evaluate", chat_template="{{ 1 }}"
        )


def test_a_server_that_says_nothing_is_an_error(tiny_base: Path) -> None:
    told = params(tiny_base, engine="server")
    with pytest.raises(LionError, match="empty answers"):
        answer_with(told, tiny_base, POOL, connect=Server(" "), label="respond")


def test_an_engine_that_is_not_installed_is_named(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    told = params(tiny_base, engine="vllm")
    with pytest.raises(ParamsError, match=r"pip install 'lion\[vllm\]'"):
        answer_with(told, tiny_base, POOL, connect=nobody, label="respond")


def test_a_kill_loses_at_most_a_batch(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_student(tiny_base)
    asked: list[int] = []
    kept: list[int] = []

    def killed(model: object, work: Work, order: list[int], **told: object) -> Iterator[Ended]:
        asked.append(len(order))
        for ended in decode(model, work, order, **told):  # type: ignore[arg-type]
            yield ended
            kept.append(len(ended))
            if len(asked) == 1 and sum(kept) >= 4:
                raise KeyboardInterrupt

    def answers(resumable: Resumable | None = None) -> pl.DataFrame:
        return answered(loaded, TASKS, temperature=0.7, max_tokens=6, batch=2, resumable=resumable)

    whole = answers()
    monkeypatch.setattr(answering, "decode", killed)
    with pytest.raises(KeyboardInterrupt), Resumable(tmp_path) as resumable:
        answers(resumable)
    before = sum(kept)
    [file] = tmp_path.rglob("*.jsonl")
    file.write_text(file.read_text() + "[[0, {")  # cut in the middle of a line
    with Resumable(tmp_path) as resumable:
        assert answers(resumable).equals(whole)
    assert asked == [len(TASKS), len(TASKS) - before]
    assert not list(tmp_path.iterdir())


def test_unfinished_work_is_found_again_and_shared_by_nobody(tmp_path: Path) -> None:
    first = Resumable(tmp_path)
    folder = first.claim(work_key("a"))
    assert folder
    assert first.claim(work_key("b")) != folder
    with Resumable(tmp_path) as second:
        assert second.claim(work_key("a")) is None
    first.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert (folder / LOCK).exists()
    with Resumable(tmp_path) as again:
        assert again.claim(work_key("a")) == folder
    assert not folder.exists()


@pytest.mark.parametrize(
    ("compute", "told"),
    [
        ({"processes": 2}, "need a launcher"),
        ({"sharding": "fsdp"}, "sharding: fsdp needs a launcher"),
        ({"engine": "vllm"}, "engine"),
        ({"vllm": {"trust_remote_code": True}}, "Lion runs no code that comes with a model"),
    ],
)
def test_contradictions_of_the_machine_settings_are_named(
    compute: dict[str, object], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Compute.model_validate(compute)
