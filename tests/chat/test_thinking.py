"""Thoughts are no part of an answer, whatever marks or fields a server puts them in."""

import json
import os
import time
from pathlib import Path

import pytest

from lion.chat import UNCLEAR, Reply, connect
from lion.chat.store import Store
from lion.params import Params
from lion.prompts.marks import pack_beside, split_thoughts, unpack_beside, without_end_marks
from tests.chat.conftest import ParamsOf, requests
from tests.chat.server import Answer, Server, completion

FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"
SEPARATED = {
    "both marks": "<think>hm</think>\n\nParis.",
    "both marks, in capitals": "<THINK>hm</THINK>\nParis.",
    "closing mark on its own line": "A city. Paris it is.\n</think>\n\nParis.",
    "closing mark at the end of a line": "A city, Paris.</think>\nParis.",
    "closing mark without spaces": "A city.</think>Paris.",
    "empty thoughts": "<think>\n\n</think>\n\nParis.",
    "two blocks": "<think>hm</think>\n<think>well</think>\nParis.",
    "thinking": "<thinking>A city.</thinking>\nParis.",
    "reflection": "<reflection>A city.</reflection>\n<output>Paris.</output>",
    "scratchpad": "<scratchpad>A city.</scratchpad>\n\nParis.",
    "the next turn of Mistral": "<think>A city.</think>Paris. </s>\n\n<s>[INST] More?",
    "thought": "<thought>A city.</thought>Paris.",
    "reasoning": "<reasoning>A city.</reasoning>\n<answer>Paris.</answer>",
    "Magistral": "[THINK]A city.[/THINK]Paris.",
    "Magistral, closing mark": "A city.\n[/THINK]\nParis.",
    "LongCat": "<longcat_think>A city.</longcat_think>\nParis.",
    "Apertus": "<|inner_prefix|>A city.<|inner_suffix|>Paris.",
    "special marks": "<|thinking|>A city.<|/thinking|>Paris.",
    "Kimi": "◁think▷A city.◁/think▷Paris.",
    "Command": "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Paris.<|END_RESPONSE|>",
    "OpenThinker": "<|begin_of_thought|>hm<|end_of_thought|>\n<|begin_of_solution|>Paris."
    "<|end_of_solution|>",
    "Gemma": "<|channel>thought\nhm<channel|>Paris.<turn|>",
    "gpt-oss": f"<|channel|>analysis<|message|>A city.{FINAL}Paris.<|return|>",
    "gpt-oss with a plan": "<|channel|>analysis<|message|>A.<|end|><|start|>assistant<|channel|>"
    f"commentary<|message|>Plan.{FINAL}Paris.",
    "gpt-oss, opening mark in the prompt": f"A city.{FINAL}Paris.",
    "gpt-oss without special tokens": "analysisWe need a city.assistantfinalParis.",
    "quoted in the thoughts": '<think>Use "</think>" or `</think>`?</think>Paris.',
    "end mark": "<think>hm</think>Paris.<|im_end|>",
}
WHOLE = [
    "Write `</think>` after the thoughts.",
    'The mark "<think>" opens them.',
    "If a < b, [THINK about it] and <b>think</b>.",
    "analysis of the data",
    "analysisResult = compute()",
    "Use assistantfinal = 3.",
    "A template with thoughts:\n```\n<think>\n{thoughts}\n</think>\n```\nThat is all.",
]
UNSEPARATED = [
    "say </think> in HTML",
    "Paris.\n<think>Or is it?</think>\nYes.",
    "<think>The tag </think> ends it.</think>\nParis.",
    "<think>a</thinking>\nParis.",
    "Sure.\n<think>hm",
    "a</think>\nb</think>\nParis.",
]


def ask(params: Params, **fields: object) -> Reply:
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return chat.ask(requests(1, **fields), label="teach")[0]


def stored() -> list[str]:
    with Store(Path(os.environ["LION_HOME"]) / "replies.sqlite") as store, store.reading() as db:
        return [text for (text,) in db.execute("SELECT text FROM replies")]


@pytest.mark.parametrize("content", SEPARATED.values(), ids=SEPARATED)
def test_the_answer_stands_alone_and_the_store_keeps_all(
    server: Server, params_at: ParamsOf, content: str
) -> None:
    server.answering = lambda asked: Answer(completion(content))
    reply = ask(params_at(server.url))
    assert (reply.text, reply.finish_reason) == ("Paris.", "stop")
    assert stored() == [content]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<think>hm</think>\n\n    if x:\n        y()", "    if x:\n        y()"),
        ("hm</think>\n\tif x:\n\t\ty()\n", "\tif x:\n\t\ty()"),
        ("<reasoning>hm</reasoning><answer>\n  a\n    b\n</answer>", "  a\n    b"),
        ("<think>hm</think> Red,\nthen blue.", "Red,\nthen blue."),
        (
            "<think>hm</think> <answer>1</answer> and <answer>2</answer>",
            "<answer>1</answer> and <answer>2</answer>",
        ),
        ("<think>hm</think><answer>1</output>", "<answer>1</output>"),
    ],
)
def test_an_answer_behind_thoughts_is_unchanged(content: str, expected: str) -> None:
    assert split_thoughts(content).answer == expected


@pytest.mark.parametrize("content", WHOLE)
def test_an_answer_about_marks_stays_whole(
    server: Server, params_at: ParamsOf, content: str
) -> None:
    server.answering = lambda asked: Answer(completion(content))
    reply = ask(params_at(server.url))
    assert (reply.text, reply.finish_reason) == (content, "stop")


@pytest.mark.parametrize("content", UNSEPARATED)
def test_thoughts_without_a_certain_end_are_marked_and_said(
    server: Server, params_at: ParamsOf, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answering = lambda asked: Answer(completion(content))
    for _ in range(2):
        assert ask(params_at(server.url)).finish_reason == UNCLEAR
        assert "1 of 1 replies contain thoughts that cannot be" in capsys.readouterr().err
    assert len(server.asked) == 1


@pytest.mark.parametrize("mark", ["</think>", "<think>", "[/THINK]", "<|channel|>final<|message|>"])
def test_marks_in_the_prompt_may_be_quoted_so_nothing_is_separated(
    server: Server, params_at: ParamsOf, mark: str
) -> None:
    server.answering = lambda asked: Answer(completion("hm\n</think>\n\nParis."))
    message = {"role": "user", "content": f"Explain {mark}."}
    assert ask(params_at(server.url), messages=(message,)).finish_reason == UNCLEAR


def test_a_system_prompt_with_marks_asks_for_thoughts(server: Server, params_at: ParamsOf) -> None:
    server.answering = lambda asked: Answer(completion("<think>\nhm\n</think>\n\nParis."))
    system = {"role": "system", "content": "Think in <think> and </think>, then answer."}
    reply = ask(params_at(server.url), messages=(system, {"role": "user", "content": "Where?"}))
    assert (reply.text, reply.finish_reason) == ("Paris.", "stop")


@pytest.mark.parametrize("content", ["<think>and on", "analysisWe need", "[THINK]and on"])
def test_thoughts_without_an_end_leave_no_answer(
    server: Server, params_at: ParamsOf, content: str
) -> None:
    server.answering = lambda asked: Answer(completion(content, finish="length"))
    assert ask(params_at(server.url)).text == ""


@pytest.mark.parametrize(
    ("settings", "message", "finish", "text"),
    [
        # The template of such a model has the opening mark, and the closing one was not reached.
        ({"thinking_tokens": 9}, {"content": "A first guess: 7"}, "length", ""),
        ({"thinking_tokens": 9}, {"content": "A first guess: 7"}, "stop", "A first guess: 7"),
        ({"thinking_tokens": 9}, {"content": "hm</think>Par"}, "length", "Par"),
        ({"thinking_tokens": 9}, {"content": "Par", "reasoning": "hm"}, "length", "Par"),
        ({}, {"content": "A first guess: 7"}, "length", "A first guess: 7"),
    ],
)
def test_a_thinking_model_that_was_cut_before_any_mark_has_not_answered(
    server: Server,
    params_at: ParamsOf,
    settings: dict[str, int],
    message: dict[str, str],
    finish: str,
    text: str,
) -> None:
    body = completion("", finish=finish)
    body["choices"][0]["message"].update(message)
    server.answering = lambda asked: Answer(body)
    reply = ask(params_at(server.url, **settings))
    assert (reply.text, reply.finish_reason) == (text, finish)
    if not text:
        assert reply.thoughts == "A first guess: 7"
        assert reply.reasoning_tokens == reply.completion_tokens


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning_content": "Two </think> plus two."},
        {"reasoning": "Two </think> plus two."},
        {"thinking": "Two </think> plus two."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Two </think> plus two."}]},
        {"content": [{"type": "thinking", "thinking": "Two </think> plus two."}, "Four."]},
    ],
)
def test_thoughts_in_a_field_are_kept_beside_the_answer(
    server: Server, params_at: ParamsOf, message: dict[str, object]
) -> None:
    server.answering = lambda asked: Answer(completion("Four.", **message))
    for _ in range(2):
        assert ask(params_at(server.url)).text == "Four."
    assert "Two </think> plus two." in json.dumps(stored())
    assert len(server.asked) == 1


ALONE = {
    "both marks": "A city. It is Paris.",
    "reasoning": "A city.",
    "two blocks": "hm\n\nwell",
    "closing mark on its own line": "A city. Paris it is.",
    "quoted in the thoughts": 'Use "</think>" or `</think>`?',
    "Command": "hm",
    "Gemma": "hm",
    "gpt-oss": "A city.",
    "gpt-oss with a plan": "A.\n\nPlan.",
    "gpt-oss without special tokens": "We need a city.",
    "empty thoughts": "",
}


@pytest.mark.parametrize("name", ALONE)
def test_thoughts_are_given_without_their_marks(
    server: Server, params_at: ParamsOf, name: str
) -> None:
    content = SEPARATED[name].replace(
        "<think>hm</think>\n\nP", "<think>A city. It is Paris.</think>P"
    )
    server.answering = lambda asked: Answer(completion(content))
    reply = ask(params_at(server.url))
    assert (reply.text, reply.thoughts) == ("Paris.", ALONE[name])


PARTS = {
    "text": ([{"type": "thinking", "thinking": "Two </think> two."}], "Two </think> two."),
    "parts of parts": (
        [{"type": "thinking", "thinking": [{"type": "text", "text": "Two"}, {"text": " two."}]}],
        "Two two.",
    ),
    "a summary": ([{"type": "reasoning", "summary": [{"text": "Two."}]}], "Two."),
    "two": (
        [{"type": "thinking", "thinking": word} for word in ("Two.", "Four?")],
        "Two.\n\nFour?",
    ),
    "encrypted": ([{"type": "redacted_thinking", "data": "x1y2"}], ""),
    "a flag": ([{"text": "Two.", "thought": True}], "Two."),
}


@pytest.mark.parametrize(("parts", "thoughts"), PARTS.values(), ids=PARTS)
def test_thoughts_in_parts_of_the_content_are_given_as_text(
    server: Server, params_at: ParamsOf, parts: list[object], thoughts: str
) -> None:
    content = [*parts, {"type": "text", "text": "Four."}]
    server.answering = lambda asked: Answer(completion("", content=content))
    for _ in range(2):
        reply = ask(params_at(server.url))
        assert (reply.text, reply.thoughts) == ("Four.", thoughts)


@pytest.mark.parametrize("thoughts", ['A list: [{"a": 1}]', '[{"type": "thinking"', "[{" * 50_000])
def test_thoughts_that_look_like_parts_stay_as_they_are(
    server: Server, params_at: ParamsOf, thoughts: str
) -> None:
    server.answering = lambda asked: Answer(completion("Four.", reasoning_content=thoughts))
    assert ask(params_at(server.url)).thoughts == thoughts


def test_the_same_thoughts_in_a_field_and_in_the_text_are_given_once(
    server: Server, params_at: ParamsOf
) -> None:
    content = "<think>Two two.</think>Four."
    for field, thoughts in (("Two two.", "Two two."), ("One.", "One.\n\nTwo two.")):
        server.answering = lambda asked, field=field: Answer(  # type: ignore[misc]
            completion(content, reasoning_content=field)
        )
        reply = ask(params_at(server.url), max_tokens=100 + len(field))
        assert (reply.text, reply.thoughts) == ("Four.", thoughts)


def test_unclear_and_refused_replies_have_no_thoughts(server: Server, params_at: ParamsOf) -> None:
    server.answering = lambda asked: Answer(completion(UNSEPARATED[1]))
    assert ask(params_at(server.url)).thoughts == ""
    message = {"refusal": "No.", "reasoning_content": "hm"}
    server.answering = lambda asked: Answer(completion("", **message))
    assert ask(params_at(server.url), max_tokens=21).text == ""


def test_a_key_in_the_thoughts_is_hidden_and_the_answer_stays_alone(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-planted-" + "abcdefgh" * 4
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server.answering = lambda asked: Answer(completion("Four.", reasoning=f"The key is {key}."))
    assert ask(params_at(server.url)).text == "Four."
    assert key not in stored()[0]


@pytest.mark.parametrize("text", ["", "a", "<beside 3>\nabc\nd", "\n", "</think>"])
@pytest.mark.parametrize("beside", ["", "x", "<beside 1>\nx\ny", "</think>\n\nöß字"])
def test_what_is_beside_a_text_comes_back_unchanged(beside: str, text: str) -> None:
    assert unpack_beside(pack_beside(beside, text)) == (beside, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Four.<|im_end|>", "Four."),
        ("Four.</s>\n", "Four."),
        ("Four.<｜end▁of▁sentence｜>", "Four."),
        ("Four.<end_of_turn>\n<eos>", "Four."),
        ("Four.<end_of_utterance>", "Four."),
        ("Four.<|im_end|>\n<|im_start|>user\nAnd five?", "Four."),
        ("Four.<|eot_id|><|start_header_id|>user<|end_header_id|>\nFive?", "Four."),
        ("<s>old</s>", "<s>old</s>"),
        ("It ends with `<|im_end|>`.", "It ends with `<|im_end|>`."),
        ("Four. ", "Four. "),
    ],
)
def test_end_marks_are_cut_off(text: str, expected: str) -> None:
    assert without_end_marks(text) == expected


@pytest.mark.parametrize("piece", ["<", "<think>", "[", "\n", " ", "<|channel|>final", "`", "a"])
def test_five_megabytes_are_read_at_once(piece: str) -> None:
    text = piece * (5_000_000 // len(piece)) + "</think>"
    begun = time.process_time()
    split_thoughts(without_end_marks(text))
    assert time.process_time() - begun < 2


CHATML = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>"


@pytest.mark.parametrize(
    "text",
    [
        f"An example:\n```\n{CHATML}\n```\nThat is ChatML.",
        f"It looks so: {CHATML} and so on.",
        "Turns: <s>[INST] Hi [/INST] Hello </s><s>[INST] More [/INST]",
        "In a block:\n```\n<|im_end|>\n<|im_start|>user\n```\nDone.",
        "The end-of-text token of GPT-2 is <|endoftext|>",
        "The closing tag is </s>",
    ],
)
def test_an_answer_about_the_marks_of_turns_stays_whole(text: str) -> None:
    assert without_end_marks(text) == text


@pytest.mark.parametrize(
    "tail",
    [
        "</s>\n<|user|>\nMore?",
        "<|end|><|user|>More?<|end|>",
        "<|endoftext|>Human: More?",
        "<｜end▁of▁sentence｜><｜User｜>More?",
        "[|endofturn|]\n[|user|]More?",
        " </s>",
        "[EOS]",
        "<EOT>",
        "\n<|im_end|>",
    ],
)
def test_end_marks_and_invented_turns_of_any_template_are_cut_off(tail: str) -> None:
    assert without_end_marks(f"Four.{tail}") == "Four."
    assert without_end_marks(f"<|im_start|>assistant\nFour.{tail}") == "Four."
