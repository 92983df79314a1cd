"""Thoughts of the student: written in its template's form, and told apart from its answer."""

import sys
from functools import partial
from importlib import resources
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from lion.chat import UNCLEAR, connect
from lion.evaluate.candidates import answers_of
from lion.evaluate.choices import Item
from lion.evaluate.reasoning import reason
from lion.params import Compute, Endpoint, Evaluate, Imitate, Lora, Params
from lion.pools.cache import with_responses
from lion.student.adapters import prepare_adapter
from lion.student.merge import merge
from lion.student.models import load_student, load_tokenizer, tokenizer_of, write_base
from lion.student.respond import answer_with
from lion.student.saving import save_student
from lion.student.template import encode_prompt
from lion.student.thoughts import (
    FILE,
    ThoughtForm,
    encode_thoughtful,
    form_to_learn,
    own_form,
    read_form,
    think,
)
from lion.student.training import train
from lion.support.errors import EmptyError, InputError, LionError
from tests.chat.server import Answer as Http
from tests.chat.server import Asked, completion
from tests.chat.server import Server as HttpServer
from tests.repository import ROOT
from tests.student.test_respond import Server, params
from tests.student.test_template import byte_level
from tests.student.tiny import TASKS, make_tiny_base, make_tokenizer

PLAIN = ThoughtForm("<think>\n", "\n</think>\n\n")
MARKS = ["<think>", "</think>", "hm"]
POOL = pl.DataFrame({"id": TASKS, "instruction": TASKS, "input": [""] * len(TASKS)})
EXAMPLE = "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}"
END = "{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]"
# Chat templates in the manner of published models, and the form in which they lay out thoughts.
TRL = resources.files("trl").joinpath("chat_templates")
TEMPLATES = {
    "Qwen3": (
        EXAMPLE + "<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}" + END + "{%- if "
        "enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
        "{% endif %}",
        PLAIN,
    ),
    "opening mark in the prompt": (
        EXAMPLE + "{% endif %}" + END + "<think>\n{% endif %}",
        ThoughtForm("", "\n</think>\n\n"),
    ),
    "off by default": (
        EXAMPLE + "{% endif %}" + END + "{% if thinking %}<think>\n{% else %}</think>{% endif %}"
        "{% endif %}",
        ThoughtForm("", "\n</think>\n\n"),
    ),
    "channels": (
        EXAMPLE + "<|channel|>analysis<|message|>{{ m.thinking }}<|end|>[assistant]<|channel|>"
        "final<|message|>{% endif %}" + END + "{% endif %}",
        ThoughtForm(
            "<|channel|>analysis<|message|>",
            "<|end|>[assistant]<|channel|>final<|message|>",
        ),
    ),
    "Magistral": (
        EXAMPLE + "{% endif %}" + END + "{% endif %}{# [THINK] and [/THINK] #}",
        ThoughtForm("[THINK]\n", "\n[/THINK]\n\n"),
    ),
    "none": (EXAMPLE + "{% endif %}" + END + "{% endif %}", PLAIN),
}


def tokenizer_with(template: str) -> PreTrainedTokenizerBase:
    made = byte_level(added=False)
    made.chat_template = template
    return made


@pytest.mark.parametrize(("template", "form"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_row_has_the_form_of_the_template(template: str, form: ThoughtForm) -> None:
    tokenizer = tokenizer_with(template)
    assert form_to_learn(tokenizer) == form
    row = encode_thoughtful(tokenizer, form, "Why?", "So.", "hm")
    assert tokenizer.decode(row.prompt).endswith(
        "Why?[assistant]" + "<think>\n" * (not form.before)
    )
    assert tokenizer.decode(row.answer) == f"{form.before}hm{form.between}So.<eos>"
    assert tokenizer.decode(row.answer[: row.thoughts]) == f"{form.before}hm{form.between}"
    assert (own_form(tokenizer) is None) == (template == TEMPLATES["none"][0])


BLOCK_IN_PROMPT = ThoughtForm("", "\n</think>\n\n")
PUBLISHED = {
    "qwen3": PLAIN,
    "qwen3_5_nothink": BLOCK_IN_PROMPT,
    "qwen3_instruct_2507": PLAIN,
    "deepseek_r1_distill": BLOCK_IN_PROMPT,
    "deepseekv3": BLOCK_IN_PROMPT,
    "nemotron_3_nano": ThoughtForm("", "\n</think>\n"),
    "glm4moe": ThoughtForm("\n<think>", "</think>\n"),
    "lfm2_2_5": ThoughtForm("<think>", "</think>"),
    "gemma4": ThoughtForm("<|channel>thought\n", "\n<channel|>"),
    "gemma4_v5": ThoughtForm("<|channel>thought\n", "\n<channel|>"),
    "gptoss": ThoughtForm(
        "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"
    ),
    "llama3_2": PLAIN,
}


@pytest.mark.parametrize(("name", "form"), PUBLISHED.items(), ids=PUBLISHED)
def test_published_templates_are_known(name: str, form: ThoughtForm) -> None:
    template = TRL.joinpath(f"{name}.jinja").read_text(encoding="utf-8")
    tokenizer = tokenizer_with(template)
    assert form_to_learn(tokenizer) == form
    row = encode_thoughtful(tokenizer, form, "Why?", "So.", "hm")
    text = form.text_of(tokenizer, row.answer)
    assert form.split(text, "Why?", "stop") == ("hm", "So.", "stop")


def test_a_mark_of_the_form_does_not_end_an_answer(tmp_path: Path) -> None:
    loaded = load_student(make_tiny_base(tmp_path / "base", more=MARKS))
    mark, eos = loaded.tokenizer.convert_tokens_to_ids(["</think>", "<eos>"])
    loaded.model.generation_config.eos_token_id = [eos, mark]
    assert loaded.ends == [eos, mark]
    loaded.thoughts = form_to_learn(loaded.tokenizer)
    save_student(loaded, tmp_path / "r0")
    assert loaded.ends == load_student(tmp_path / "r0").ends == [eos]


def test_without_a_form_a_row_is_the_answer_alone() -> None:
    tokenizer = tokenizer_with(TEMPLATES["Qwen3"][0])
    row = encode_thoughtful(tokenizer, None, "Why?", "So.", "hm")
    assert tokenizer.decode(row.answer) == "So.<eos>"


def test_a_closing_mark_within_thoughts_does_not_end_them() -> None:
    tokenizer = tokenizer_with(TEMPLATES["Qwen3"][0])
    row = encode_thoughtful(tokenizer, PLAIN, "Why?", "So.", "the tag </think> ends <think>")
    text = PLAIN.text_of(tokenizer, row.answer)
    parts = PLAIN.split(text, "Why?", "stop")
    assert parts.answer == "So."
    assert (parts.thoughts or "").replace("\u200b", "") == "the tag </think> ends <think>"


@pytest.mark.parametrize(
    ("text", "thoughts", "answer", "ending"),
    [
        ("<think>\nhm\n</think>\n\nRed.", "hm", "Red.", "stop"),
        ("<think>\n\n</think>\n\nRed.", None, "Red.", "stop"),
        ("Red.", None, "Red.", "stop"),
        ("<think>\nhm, and on", "hm, and on", "", "stop"),
        ("<think>\nhm\n</think>\n\n", "hm", "", "stop"),
        (
            "<think>a</think>b\n<think>c</think>d",
            "<think>a</think>b\n<think>c</think>d",
            "",
            UNCLEAR,
        ),
        ("<think>hm</think>Write `</think>`.", "hm", "Write `</think>`.", "stop"),
        ("<think>hm</think>\n\n    if x:\n        y()\n", "hm", "    if x:\n        y()", "stop"),
        ("    if x:\n        y()\n", None, "    if x:\n        y()", "stop"),
    ],
)
def test_the_answer_follows_the_first_closing_mark(
    text: str, thoughts: str | None, answer: str, ending: str
) -> None:
    assert PLAIN.split(text, "Say red.", "stop") == (thoughts, answer, ending)


def test_an_opening_mark_in_the_prompt_makes_everything_thoughts_until_they_end() -> None:
    form = ThoughtForm("", "\n</think>\n\n")
    assert form.split("hm, and on", "Say red.", "length") == ("hm, and on", "", "length")
    assert form.split("hm\n</think>\n\nRed.", "Say red.", "stop") == ("hm", "Red.", "stop")


def test_an_answer_may_have_the_marks_that_the_task_asks_about() -> None:
    text = "<think>hm</think>It ends at </think>, see."
    assert PLAIN.split(text, "What is </think>?", "stop").answer == "It ends at </think>, see."
    assert PLAIN.split(text, "What is that?", "stop").ending == UNCLEAR


def test_a_switch_for_thinking_is_turned_on_once_and_stays_on(tmp_path: Path) -> None:
    tokenizer = tokenizer_with(TEMPLATES["off by default"][0])
    assert tokenizer.decode(encode_prompt(tokenizer, "Why?")).endswith("[assistant]</think>")
    think(tokenizer)
    template = tokenizer.chat_template
    think(tokenizer)
    assert tokenizer.chat_template == template
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path), None)
    assert again.chat_template == template
    assert again.decode(encode_prompt(again, "Why?")).endswith("[assistant]<think>\n")


def test_a_vocabulary_that_cannot_write_the_marks_is_refused() -> None:
    with pytest.raises(InputError, match=r"cannot write '<think>'.*set teacher\.thoughts: drop"):
        form_to_learn(make_tokenizer())


SETTINGS = Imitate(
    epochs=60, learning_rate=1e-2, warmup=0.0, weight_decay=0.0, batch=4, max_length=40
)


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that learnt to think "blue hm" and to answer "red"."""
    folder = tmp_path_factory.mktemp("thinker")
    loaded = load_student(make_tiny_base(folder / "base", more=MARKS))
    loaded.thoughts = form_to_learn(loaded.tokenizer)
    lessons = [(task, "red", "blue hm") for task in TASKS]
    train(loaded, lessons, settings=SETTINGS, compute=Compute(), seed=1, label="imitate r0")
    save_student(loaded, folder / "r0")
    return folder / "r0"


def nobody(_: Params) -> Any:
    raise AssertionError("no server is asked")


def answers(student: Path, connect: Any = nobody, **settings: object) -> pl.DataFrame:
    options = params(student, **{"temperature": 0.0, "max_tokens": 8, **settings})
    return answer_with(options, student, POOL, connect=connect, label="respond r1")


def test_the_folder_says_how_the_student_thinks(thinker: Path) -> None:
    assert read_form(thinker) == PLAIN
    assert load_student(thinker).thoughts == PLAIN
    (thinker / FILE).rename(thinker / "away")
    assert read_form(thinker) is None
    (thinker / FILE).write_text("{")
    with pytest.raises(InputError, match=r"thoughts\.json: damaged"):
        read_form(thinker)
    (thinker / "away").rename(thinker / FILE)


def test_transformers_gives_thoughts_and_answer_apart(thinker: Path) -> None:
    table = answers(thinker)
    assert table["answer"].to_list() == ["red"] * len(TASKS)
    assert table["thoughts"].to_list() == ["blue hm"] * len(TASKS)
    assert with_responses(POOL, table).columns == [*POOL.columns, "response"]


def test_a_limit_without_room_for_an_answer_is_an_error(thinker: Path) -> None:
    with pytest.raises(LionError, match=r"4 of 4 answers are empty.*student\.max_tokens \(3\)"):
        answers(thinker, max_tokens=3)


class Vllm(ModuleType):
    """Stands in for vLLM: its classes, over the same weights with transformers' own `generate`."""

    def __init__(self) -> None:
        super().__init__("vllm")
        self.SamplingParams = SimpleNamespace

    class LLM:
        def __init__(self, model: str, **_: object) -> None:
            self.loaded = load_student(Path(model))

        def generate(self, prompts: Any, settings: Any, **_: object) -> list[Any]:
            return [self._one(*pair) for pair in zip(prompts, settings, strict=True)]

        def _one(self, prompt: dict[str, list[int]], setting: Any) -> Any:
            ids = torch.tensor([prompt["prompt_token_ids"]])
            made = self.loaded.model.generate(ids, max_new_tokens=setting.max_tokens)
            tokens = made[0, ids.shape[1] :].tolist()
            ended = tokens[-1] in self.loaded.ends
            completion = SimpleNamespace(
                text=self.loaded.tokenizer.decode(tokens, skip_special_tokens=True),
                finish_reason="stop" if ended else "length",
                token_ids=tuple(tokens),
            )
            return SimpleNamespace(outputs=[completion], prompt_token_ids=ids[0].tolist())


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    request = SimpleNamespace(LoRARequest=None)
    for name, module in (("vllm", Vllm()), ("vllm.lora", request), ("vllm.lora.request", request)):
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]


@pytest.mark.usefixtures("vllm")
def test_vllm_gives_the_same_parts(thinker: Path) -> None:
    assert answers(thinker, engine="vllm").equals(answers(thinker))
    with pytest.raises(LionError, match="4 of 4 answers are empty"):
        answers(thinker, engine="vllm", max_tokens=3)


def test_a_served_student_has_its_thoughts_beside_the_answer(thinker: Path) -> None:
    table = answers(thinker, Server(" red ", thoughts="hm"), engine="server")
    assert set(table["answer"]) == {"red"}
    assert set(table["thoughts"]) == {"hm"}


@pytest.mark.parametrize("learnt", [True, False])
def test_a_served_students_unclear_reply_is_no_answer(
    learnt: bool, thinker: Path, tiny_base: Path
) -> None:
    whole = "red\n<think>hm</think>\nblue"
    server = Server("red", thoughts="hm", unclear={TASKS[1]: whole})
    table = answers(thinker if learnt else tiny_base, server, engine="server")
    assert table["answer"].to_list() == ["red", "", "red", "red"]
    assert table["finish_reason"].to_list() == ["stop", UNCLEAR, "stop", "stop"]
    assert table["thoughts"].to_list() == (["hm", whole, "hm", "hm"] if learnt else [None] * 4)


def test_a_served_student_over_http(
    thinker: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {
        "say red": "<think>\nhm\n</think>\n\nred",
        "say blue": "red\n<think>hm</think>\nblue",
        "say green": "red",
    }

    def answer(asked: Asked) -> Http:
        task = asked.body["messages"][-1]["content"]
        if task in texts:
            return Http(completion(texts[task]))
        return Http(completion("", reasoning_content="hm and on", finish="length"))

    with HttpServer(answer) as server:
        options = params(thinker, engine="server")
        endpoints = {"default": options.endpoints["default"].over(Endpoint(base_url=server.url))}
        options = options.model_copy(update={"endpoints": endpoints})
        connect_student = partial(connect, role="student", stage="respond", round="r1")
        table = answer_with(options, thinker, POOL, connect=connect_student, label="respond r1")
    assert table["answer"].to_list() == ["red", "", "red", ""]
    assert table["thoughts"].to_list() == ["hm", texts["say blue"], None, "hm and on"]
    assert table["finish_reason"].to_list() == ["stop", UNCLEAR, "stop", "length"]
    said = capsys.readouterr().err
    assert "1 of 4 replies contain thoughts that cannot be separated" in said
    assert "2 of 4 answers are empty after their thoughts" in said


def test_an_exported_student_knows_its_form(thinker: Path, tmp_path: Path) -> None:
    merge(thinker, tmp_path / "whole", lessons=[("say red", "red")])
    assert read_form(tmp_path / "whole") == PLAIN
    assert answers(tmp_path / "whole").equals(answers(thinker))


@pytest.mark.parametrize("kind", ["student", "checkpoint"])
def test_a_candidate_of_the_evaluation_answers_without_its_thoughts(
    kind: str, thinker: Path
) -> None:
    candidate = {kind: str(thinker)} | ({"template": "chat"} if kind == "checkpoint" else {})
    options = params(thinker, temperature=0.0, max_tokens=8)
    evaluation = Evaluate.model_validate({"questions": "q", "candidates": {"c": candidate}})
    options = options.model_copy(update={"evaluate": evaluation})
    table = answers_of("c", POOL, options)
    assert set(table["answer"]) == {"red"}
    assert set(table["thoughts"]) == {"blue hm"}


def test_an_api_candidates_unclear_reply_is_no_answer(thinker: Path) -> None:
    def answer(asked: Asked) -> Http:
        unclear = "say blue" in asked.body["messages"][-1]["content"]
        return Http(
            completion("red\n<think>hm</think>\nblue" if unclear else "<think>x</think>red")
        )

    with HttpServer(answer) as server:
        candidate = {"api": "m", "base_url": server.url}
        evaluation = Evaluate.model_validate({"questions": "q", "candidates": {"c": candidate}})
        options = params(thinker).model_copy(update={"evaluate": evaluation})
        assert answers_of("c", POOL, options)["answer"].to_list() == ["red", "", "red", "red"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_reasoning_tasks_read_the_reply_behind_the_thoughts(thinker: Path) -> None:
    items = {"colours": [Item("say red", ("blue", "red"), "red")]}
    for form, letter in ((PLAIN, 100.0), (None, 0.0)):
        loaded = load_student(thinker)
        loaded.thoughts = form
        [result] = reason(loaded, "bbh", items, batch=1, thinking_tokens=8)
        assert (result.letter, result.unread) == (letter, 100.0 - letter)
    loaded.thoughts = PLAIN
    with pytest.raises(InputError, match=r"replies of 1016 tokens leave a prompt no room"):
        reason(loaded, "bbh", items, batch=1, thinking_tokens=1000)


def test_rows_cut_within_their_thoughts_are_not_learnt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_student(make_tiny_base(tmp_path / "base", more=MARKS))
    loaded.thoughts = form_to_learn(loaded.tokenizer)
    settings = SETTINGS.model_copy(update={"epochs": 1, "max_length": 10, "truncate": True})
    lessons = [("say red", "red", "hm"), ("say blue", "blue", "hm " * 9)]
    train(loaded, lessons, settings=settings, compute=Compute(), seed=1, label="imitate r0")
    assert (
        "1 of 2 rows are cut to 10 tokens; 1 of these have no room for" in capsys.readouterr().out
    )
    with pytest.raises(EmptyError, match="no prompt fits"):
        train(loaded, lessons[1:], settings=settings, compute=Compute(), seed=1, label="r0")


def test_an_adapter_that_learnt_thoughts_turns_on_its_bases_thinking(tmp_path: Path) -> None:
    base = make_tiny_base(tmp_path / "base", more=MARKS)
    switch = "<user> {{ messages[0]['content'] }} <bot>{% if not thinking %} </think>{% endif %}"
    (base / "chat_template.jinja").write_text(switch)
    write_base(tmp_path / "pointer", base=str(base), revision=None)
    loaded = load_student(tmp_path / "pointer")
    loaded.thoughts = form_to_learn(loaded.tokenizer)
    prepare_adapter(loaded, Lora(rank=2, alpha=4), recompute=False)
    save_student(loaded, tmp_path / "r0")
    tokenizers = [tokenizer_of(tmp_path / name) for name in ("pointer", "r0")]
    prompts = [made.decode(encode_prompt(made, "say red")) for made in tokenizers]
    assert prompts == ["<user> say red <bot> </think>", "<user> say red <bot>"]


def test_marks_that_are_special_tokens_are_seen_and_others_are_not() -> None:
    tokenizer = byte_level(added=False)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>", "<end>"]})
    tokenizer.chat_template = TEMPLATES["Qwen3"][0]
    form = form_to_learn(tokenizer)
    written = tokenizer("<think>\nhm<end>\n</think>\n\nRed.<end>", add_special_tokens=False)
    text = form.text_of(tokenizer, written["input_ids"])
    assert form.split(text, "Say red.", "stop") == ("hm", "Red.", "stop")


def test_the_shipped_student_can_write_thoughts_or_says_that_it_cannot() -> None:
    tokenizer = load_tokenizer(str(ROOT / "data" / "base"), None)
    form = form_to_learn(tokenizer)
    row = encode_thoughtful(tokenizer, form, "Repeat: owl", "owl", "the word is owl")
    parts = form.split(form.text_of(tokenizer, row.answer), "Repeat: owl", "stop")
    assert (parts.thoughts, parts.answer) == ("the word is owl", "owl")
