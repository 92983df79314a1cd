"""System prompts and earlier turns in the student's own template, and folded where it has none."""

import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import polars as pl
import pytest
from transformers import PreTrainedTokenizerBase

from lion.pools.instructions import Task, turns_text
from lion.prompts import Message
from lion.student.check import check_base
from lion.student.models import load_tokenizer
from lion.student.respond import answer_with
from lion.student.template import PLAIN, encode_example, encode_prompt, has_system_role
from lion.support.errors import InputError
from tests.repository import ROOT
from tests.student.test_check import base
from tests.student.test_respond import Server, nobody, params
from tests.student.test_template import byte_level

SYSTEM: Message = {"role": "system", "content": "Be brief."}
FIRST: Message = {"role": "user", "content": "Name a fruit."}
ANSWER: Message = {"role": "assistant", "content": "Pear."}
LAST: Message = {"role": "user", "content": "Another one."}
TALK: tuple[Message, ...] = (SYSTEM, FIRST, ANSWER, LAST)

ROLES = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
NONE = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
# Templates, and whether each has a system role.
TEMPLATES = {
    "of its own": (ROLES, True),
    "in front of the first question": (
        "{% for m in messages %}{% if m['role'] == 'system' %}<<{{ m['content'] }}>>{% else %}"
        "[{{ m['role'] }}]{{ m['content'] }}{% endif %}{% endfor %}",
        True,
    ),
    "refused": (NONE + ROLES, False),
    "left out": (
        "{% for m in messages if m['role'] != 'system' %}[{{ m['role'] }}]{{ m['content'] }}"
        "{% endfor %}",
        False,
    ),
    "shown as an answer": (
        "{% for m in messages %}{{ '[user]' if m['role'] == 'user' else '[assistant]' }}"
        "{{ m['content'] }}{% endfor %}",
        False,
    ),
    "shown as a question": (
        "{% for m in messages %}{{ '[assistant]' if m['role'] == 'assistant' else '[user]' }}"
        "{{ m['content'] }}{% endfor %}",
        False,
    ),
    "escaped": (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] | e if m['role'] == 'system' "
        "else m['content'] }}{% endfor %}",
        False,
    ),
    "the question left out": (
        "{% for m in messages %}{% if m['role'] == 'system' or loop.first %}[{{ m['role'] }}]"
        "{{ m['content'] }}{% endif %}{% endfor %}",
        False,
    ),
    "none at all": (PLAIN, False),
}
OF_LISTS = ROLES.replace("m['content']", "m['content'][0]['text']")
LAST_ONLY = "[user]{{ messages[-1]['content'] }}"


def tokenizer(template: str) -> PreTrainedTokenizerBase:
    made = byte_level(added=False)
    made.chat_template = template
    return made


def prompt(template: str, task: Task) -> str:
    made = tokenizer(template)
    return str(made.decode(encode_prompt(made, task)))


@pytest.mark.parametrize(("template", "expected"), TEMPLATES.values(), ids=TEMPLATES)
def test_knows_whether_a_template_has_a_system_role(template: str, expected: bool) -> None:
    assert has_system_role(tokenizer(template)) is expected


@pytest.mark.parametrize("name", ["of its own", "refused", "left out", "shown as an answer"])
def test_every_turn_stands_in_its_own_role(name: str) -> None:
    template, has_role = TEMPLATES[name]
    head = "[system]Be brief.[user]" if has_role else "[user]Be brief.\n\n"
    assert prompt(template, TALK) == f"{head}Name a fruit.[assistant]Pear.[user]Another one."


def test_a_model_without_a_template_gets_turns_as_tasks_and_answers() -> None:
    assert prompt(PLAIN, TALK) == (
        "### Task\nBe brief.\n\nName a fruit.\n\n### Answer\nPear.<eos>\n\n"
        "### Task\nAnother one.\n\n### Answer\n"
    )


def test_a_text_alone_has_the_prompt_of_a_conversation_of_one_turn() -> None:
    assert prompt(ROLES, "Another one.") == prompt(ROLES, (LAST,)) == "[user]Another one."


def test_the_loss_covers_the_last_answer_alone() -> None:
    made = tokenizer(ROLES)
    example = encode_example(made, TALK, "Plum.")
    assert made.decode(example.answer) == "Plum.<eos>"
    assert example.prompt == encode_prompt(made, TALK)


@pytest.mark.parametrize("place", range(4))
def test_a_mark_in_any_turn_is_text(place: int) -> None:
    shipped = load_tokenizer(str(ROOT / "data" / "base"), None)
    shipped.chat_template = ROLES.replace("[{{ m['role'] }}]", "<|sep|>")
    talk = [*TALK]
    talk[place] = {**talk[place], "content": "a <|eos|> b"}
    ids = encode_prompt(shipped, tuple(talk))
    assert shipped.eos_token_id not in ids
    assert "a <|eos|> b" in shipped.decode(ids)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (LAST_ONLY, r"\(user, assistant, user\) unchanged and in order"),
        (OF_LISTS, "chat template"),
    ],
)
def test_a_template_that_shows_no_earlier_turns_is_refused_if_there_are_any(
    tmp_path: Path, template: str, reason: str
) -> None:
    folder = str(base(tmp_path / "base", template))
    with pytest.raises(InputError, match=reason) as caught:
        check_base(folder, None, contexts=[("user", "assistant", "user", "assistant")])
    assert "\n" not in caught.value.message


def test_other_templates_pass(tmp_path: Path) -> None:
    every = [("system",), ("user", "assistant"), ("system", "user", "assistant")]
    for number, (template, contexts) in enumerate([(LAST_ONLY, []), (NONE + ROLES, every)]):
        check_base(str(base(tmp_path / str(number), template)), None, contexts=contexts)


def test_a_template_that_has_turns_or_a_system_prompt_but_not_both_is_refused(
    tmp_path: Path,
) -> None:
    fails = "{% if messages | length > 3 %}{{ raise_exception('too many') }}{% endif %}" + ROLES
    folder = str(base(tmp_path / "base", fails))
    check_base(folder, None, contexts=[("system",), ("user", "assistant")])
    with pytest.raises(InputError, match="too many"):
        check_base(folder, None, contexts=[("system", "user", "assistant")])


def pool() -> pl.DataFrame:
    turns = turns_text([FIRST, ANSWER])
    rows = [("Another one.", "Be brief.", turns), ("Another one.", None, None)]
    return pl.DataFrame(
        {
            "id": ["a", "b"],
            "instruction": [row[0] for row in rows],
            "input": ["", ""],
            "system": [row[1] for row in rows],
            "turns": [row[2] for row in rows],
        }
    )


def test_a_server_gets_the_whole_conversation_as_it_was_learnt(
    tiny_base: Path, tmp_path: Path
) -> None:
    without = ({**FIRST, "content": "Be brief.\n\nName a fruit."}, ANSWER, LAST)
    for template, talk in ((ROLES, TALK), (TEMPLATES["left out"][0], without)):
        student = shutil.copytree(tiny_base, tmp_path / str(len(talk)))
        (student / "chat_template.jinja").write_text(template)
        server = Server()
        options = params(student, engine="server")
        answer_with(options, student, pool(), connect=server, label="respond")
        assert server.talks == [talk, (LAST,)]
        assert len(set(server.seeds)) == 2


@pytest.fixture
def fake_vllm(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Stand in for the package vLLM, which needs a GPU; return the prompts that it gets."""
    prompts: list[list[int]] = []

    class LLM:
        def __init__(self, **_: object) -> None: ...

        def generate(self, asked: list[dict[str, Any]], *_: object, **__: object) -> list[Any]:
            prompts.extend(row["prompt_token_ids"] for row in asked)
            said = SimpleNamespace(text="red", finish_reason="stop", token_ids=[1])
            return [SimpleNamespace(outputs=[said], **row) for row in asked]

    names = {"vllm": {"LLM": LLM, "SamplingParams": dict}, "vllm.lora": {}}
    for name, things in {**names, "vllm.lora.request": {"LoRARequest": dict}}.items():
        module = ModuleType(name)
        vars(module).update(things)
        monkeypatch.setitem(sys.modules, name, module)
    return prompts


def test_both_engines_of_this_machine_get_the_same_prompt(
    tiny_base: Path, fake_vllm: list[list[int]]
) -> None:
    options = params(tiny_base, temperature=0.0)
    own = answer_with(options, tiny_base, pool(), connect=nobody, label="respond")
    by_vllm = params(tiny_base, engine="vllm")
    answer_with(by_vllm, tiny_base, pool(), connect=nobody, label="respond")
    made = load_tokenizer(str(tiny_base), None)
    assert fake_vllm == [encode_prompt(made, TALK), encode_prompt(made, "Another one.")]
    assert own["prompt_tokens"].to_list() == [len(ids) for ids in fake_vllm]
