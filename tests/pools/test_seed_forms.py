"""Forms of seed rows: what each is read as, and the one line said about its bad twin."""

import json
from pathlib import Path
from typing import Any

import pytest

from lion.params import SeedsColumns
from lion.pools.seeds import Seed, read_seeds
from lion.support.errors import InputError

LONG = "x" * 20_001
ASK = {"role": "user", "content": "Say hi."}
ANSWER = {"role": "assistant", "content": "Hi."}
CODE = "    if x:\n        y()\n    z()"

# Form and row; what is read: instruction, input, answer.
GOOD: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "Alpaca": ({"instruction": "Add.", "input": "2, 3", "output": "5"}, [("Add.", "2, 3", "5")]),
    "Lion's export": (
        {
            **{"id": "0f", "instruction": "Add.", "input": "2, 3", "output": "5", "model": "t"},
            **{"verdict": "hard", "examined": "r1", "gap": 2.0, "student_answer": "6"},
            "messages": [{"role": "user", "content": "Add.\n\n2, 3"}, ANSWER],
        },
        [("Add.", "2, 3", "5")],
    ),
    "Alpaca's tables": (
        {"instruction": "Add.", "input": "2", "output": "5", "text": "Task: Add.\n2\nAnswer: 5"},
        [("Add.", "2", "5")],
    ),
    "Dolly": (
        {"instruction": "Who?", "context": "By Ada.", "response": "Ada.", "category": "closed_qa"},
        [("Who?", "By Ada.", "Ada.")],
    ),
    "Self-Instruct": (
        {
            "id": "t0",
            "name": "count",
            "instruction": "Count.",
            "instances": [{"input": "a b", "output": "2"}, {"input": "c", "output": "1"}],
            "is_classification": False,
        },
        [("Count.", "a b", "2"), ("Count.", "c", "1")],
    ),
    "ShareGPT": (
        {
            "id": "a-1",
            "conversations": [
                {"from": "human", "value": "Say hi."},
                {"from": "gpt", "value": "Hi."},
            ],
        },
        [("Say hi.", "", "Hi.")],
    ),
    "messages": ({"messages": [ASK, ANSWER]}, [("Say hi.", "", "Hi.")]),
    "messages without an answer": ({"messages": [ASK]}, [("Say hi.", "", "")]),
    "messages in parts": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Say hi."}]}]},
        [("Say hi.", "", "")],
    ),
    "messages in the parts of other servers": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_text", "text": "Say hi."}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
            ]
        },
        [("Say hi.", "", "Hi.")],
    ),
    "a bare text as a part": (
        {"messages": [{"role": "user", "content": ["text"]}, ANSWER]},
        [("text", "", "Hi.")],
    ),
    "thoughts as a part": (
        {
            "messages": [
                ASK,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
                        {"type": "text", "text": "Hi."},
                    ],
                },
            ]
        },
        [("Say hi.", "", "<think>\nHm.\n</think>\nHi.")],
    ),
    "parts with what servers add": (
        {
            "messages": [
                ASK
                | {
                    "content": [
                        {"type": "text", "text": "Say hi.", "cache_control": {"type": "ephemeral"}}
                    ]
                },
                ANSWER
                | {
                    "content": [
                        {
                            **{"type": "output_text", "text": "Hi.", "thinking": ""},
                            "annotations": [{"type": "url_citation", "url": "example.org"}],
                        }
                    ]
                },
            ]
        },
        [("Say hi.", "", "Hi.")],
    ),
    "LIMA's turns": ({"conversations": ["Say hi.", "Hi."]}, [("Say hi.", "", "Hi.")]),
    "UltraChat's prompt beside its first turn": (
        {"prompt": "Say hi.", "prompt_id": "a1", "messages": [ASK, ANSWER]},
        [("Say hi.", "", "Hi.")],
    ),
    "a merged dataset's row of one form": (
        {"messages": None, "instances": None, "instruction": "Say hi.", "output": "Hi."},
        [("Say hi.", "", "Hi.")],
    ),
    "and of another": ({"messages": [ASK, ANSWER], "instruction": None}, [("Say hi.", "", "Hi.")]),
    "a table's empty input": ({"instruction": "Say hi.", "input": "N/A"}, [("Say hi.", "", "")]),
    "nothing to see in an answer": (
        {"instruction": "Say hi.", "output": "\u200b"},
        [("Say hi.", "", "")],
    ),
    "Python's NaN": ({"instruction": "Say hi.", "input": float("nan")}, [("Say hi.", "", "")]),
    "indented code": (
        {
            "instruction": "Fix the indentation:",
            "input": CODE,
            "output": "        return a\n    b",
        },
        [("Fix the indentation:", CODE, "        return a\n    b")],
    ),
    "indented code between blank lines": (
        {"instruction": f"\r\n  \n{CODE}\n \n", "input": f"\n\t{CODE} ", "output": " \n  5 \n"},
        [(CODE, f"\t{CODE}", "5")],
    ),
    "indented code in parts": (
        {
            "messages": [
                ASK | {"content": ["Go on:\n", {"type": "text", "text": "\n    y()  "}]},
                ANSWER | {"content": [{"type": "text", "text": "    z()\nend"}]},
            ]
        },
        [("Go on:\n    y()", "", "    z()\nend")],
    ),
    "spaces around a part": (
        {"messages": [ASK | {"content": [" Say hi. "]}]},
        [("Say hi.", "", "")],
    ),
    "messages as JSON in a cell": (
        {"messages": json.dumps([ASK, ANSWER])},
        [("Say hi.", "", "Hi.")],
    ),
    "roles in capitals": (
        {
            "conversations": [
                {"from": "Human", "value": "Say hi."},
                {"from": "GPT", "value": "Hi."},
            ],
        },
        [("Say hi.", "", "Hi.")],
    ),
    "no input": ({"instruction": "Sing.", "input": "<noinput>"}, [("Sing.", "", "")]),
    "instances without input": (
        {"instruction": "Sing.", "instances": [{"input": "<noinput>", "output": "La"}]},
        [("Sing.", "", "La")],
    ),
    "empty system prompt": (
        {"messages": [{"role": "system", "content": ""}, ASK, ANSWER]},
        [("Say hi.", "", "Hi.")],
    ),
    "keys without text": (
        {"instruction": "Add.", "score": 0.5, "rank": "3", "notes": "", "more": {"a": [None]}},
        [("Add.", "", "")],
    ),
    "a pool of Lion's": (
        {"instruction": "Add.", "answer": "5", "thoughts": "2 + 3", "origin": "seed"},
        [("Add.", "", "5")],
    ),
}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "two inputs": (
        {"instruction": "Add.", "input": "2", "context": "3"},
        "both 'input' and 'context' hold text",
    ),
    "two answers": (
        {"instruction": "Add.", "output": "2", "response": "3"},
        "both 'output' and 'response' hold text",
    ),
    "unknown key": ({"instruction": "Who?", "passage": "By Ada."}, "key 'passage' holds text"),
    "text that is no rendering": (
        {"instruction": "Add.", "output": "5", "text": "Something else"},
        "key 'text' holds text",
    ),
    "nested text": ({"instruction": "Who?", "notes": [["Hi", "Hello"]]}, "key 'notes' holds"),
    "Dolly without an instruction": (
        {"context": "By Ada.", "response": "Ada."},
        "missing key 'instruction' (found: 'context', 'response')",
    ),
    "instances not a list": (
        {"instruction": "Who?", "instances": {}},
        "'instances' must be a list",
    ),
    "no instances": ({"instruction": "Who?", "instances": []}, "'instances' must be a list"),
    "instance with an unknown key": (
        {"instruction": "Who?", "instances": [{"input": ""}, {"input": "", "hint": "Ada"}]},
        "instance 2: unused key 'hint' holds text",
    ),
    "instance input a number": (
        {"instruction": "Who?", "instances": [{"input": 3}]},
        "instance 1: 'input' must be a string",
    ),
    "answer first": ({"messages": [ANSWER, ASK]}, "(found: assistant, user)"),
    "no turns": ({"messages": []}, "'messages' must be a list of turns"),
    "tool": ({"messages": [ASK, {"role": "tool", "content": "3"}]}, "turn 2: 'role' is 'tool'"),
    "tool calls": (
        {"messages": [ASK, ANSWER | {"tool_calls": [{"name": "add"}]}]},
        "turn 2: unused key 'tool_calls' holds text",
    ),
    "thoughts beside a question": (
        {"messages": [ASK | {"reasoning": "Who am I?"}, ANSWER]},
        "turn 1: unused key 'reasoning' holds text",
    ),
    "text that is no list of turns": (
        {"messages": "Say hi."},
        "'messages' must be a list of turns",
    ),
    "image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "turn 1: a part is 'image_url', not text",
    ),
    "text beside the text of a part": (
        {
            "messages": [
                ASK
                | {"content": [{"type": "text", "text": "Sum up", "file": {"text": "hidden doc"}}]}
            ]
        },
        "turn 1: unused key 'file' holds text",
    ),
    "a source beside a part of an answer": (
        {
            "messages": [
                ASK,
                ANSWER
                | {"content": [{"type": "text", "text": "Hi.", "citations": [{"cited": "Hello"}]}]},
            ]
        },
        "turn 2: unused key 'citations' holds text",
    ),
    "text beside thoughts as a part": (
        {
            "messages": [
                ASK,
                ANSWER | {"content": [{"type": "thinking", "thinking": "Hm.", "text": "Hi."}]},
            ]
        },
        "turn 2: unused key 'text' holds text",
    ),
    "thoughts beside the text of a part": (
        {
            "messages": [
                ASK,
                ANSWER | {"content": [{"type": "text", "thinking": "Hm.", "text": "Hi."}]},
            ]
        },
        "turn 2: unused key 'thinking' holds text",
    ),
    "text as a weight": (
        {"messages": [ASK | {"weight": "In French, please."}, ANSWER]},
        "turn 1: unused key 'weight' holds text",
    ),
    "a part without its text": (
        {"messages": [ASK | {"content": [{"type": "text"}]}]},
        "turn 1: 'text' must be a string, found None",
    ),
    "ShareGPT without a role": (
        {"conversations": [{"value": "Hi"}]},
        "turn 1: 'role' is None; expected system, user",
    ),
    "thoughts as a part of a question": (
        {"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "Hm."}]}]},
        "turn 1: a part is 'thinking', not text",
    ),
    "content null": ({"messages": [{"role": "user", "content": None}]}, "'content' must be a str"),
    "instruction beside messages": (
        {"instruction": "Add.", "messages": [ASK]},
        "key 'instruction' holds text",
    ),
}


def _read(folder: Path, rows: list[dict[str, Any]], **options: Any) -> list[Seed]:
    path = folder / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read_seeds(path, **options).seeds.values())


def _refusal(folder: Path, rows: list[dict[str, Any]], **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        _read(folder, rows, **options)
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith(str(folder / "seeds.jsonl"))
    return message


@pytest.mark.parametrize(("row", "seeds"), GOOD.values(), ids=GOOD)
def test_reads_each_form(
    tmp_path: Path, row: dict[str, Any], seeds: list[tuple[str, str, str]]
) -> None:
    read = _read(tmp_path, [row])
    assert [(seed.instruction, seed.input, seed.answer) for seed in read] == seeds


@pytest.mark.parametrize(("row", "reason"), BAD.values(), ids=BAD)
def test_refuses_by_row_and_key(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    message = _refusal(tmp_path, [{"instruction": "fine"}, row])
    assert "seeds.jsonl, line 2" in message
    assert reason in message


def test_maps_keys(tmp_path: Path) -> None:
    row = {"question": "Who?", "passage": "By Ada.", "gold": "Ada.", "notes": "hard"}
    columns = SeedsColumns(instruction="question", input="passage", output="gold", ignore=["notes"])
    [seed] = _read(tmp_path, [row], columns=columns)
    assert (seed.instruction, seed.input, seed.answer) == ("Who?", "By Ada.", "Ada.")


def test_maps_conversations(tmp_path: Path) -> None:
    columns = SeedsColumns(messages="chat", ignore=["system"])
    row = {"chat": [{"role": "system", "content": "Be brief."}, ASK, ANSWER]}
    [seed] = _read(tmp_path, [row], columns=columns)
    assert (seed.instruction, seed.answer) == ("Say hi.", "Hi.")


def test_keys_of_turns_and_of_instances_can_be_ignored(tmp_path: Path) -> None:
    columns = SeedsColumns(ignore=["language", "hint", "thinking"])
    rows = [
        {
            "messages": [
                ASK | {"language": "English"},
                ANSWER | {"thinking": "Easy.", "reasoning": "x"},
            ]
        },
        {"instruction": "Add.", "instances": [{"input": "2", "output": "4", "hint": "even"}]},
    ]
    assert "turn 1: unused key 'language' holds text" in _refusal(tmp_path, rows)
    assert [seed.answer for seed in _read(tmp_path, rows, columns=columns)] == ["Hi.", "4"]


def test_keys_of_parts_can_be_ignored(tmp_path: Path) -> None:
    part = {"type": "text", "text": "Sum up", "file": {"text": "hidden doc"}}
    row = {"messages": [ASK | {"content": [part]}]}
    [seed] = _read(tmp_path, [row], columns=SeedsColumns(ignore=["file"]))
    assert seed.instruction == "Sum up"


@pytest.mark.parametrize("weight", [0, 0.0, False, "0"])
def test_an_answer_of_weight_0_is_left_to_the_teacher(tmp_path: Path, weight: object) -> None:
    unwanted = {"content": "Lyon.", "weight": weight, "reasoning": "Not Paris."}
    share = {"from": "gpt", "value": "Lyon.", "weight": weight}
    rows = [
        {"messages": [ASK, ANSWER | unwanted]},
        {"messages": [ASK, ANSWER | unwanted, {"role": "system", "content": ""}]},
        {"conversations": [{"from": "human", "value": "Say hi."}, share]},
    ]
    for row in rows:
        [seed] = _read(tmp_path, [row], answers="keep")
        assert (seed.instruction, seed.answer, seed.thoughts) == ("Say hi.", "", "")
    ignored = _read(tmp_path, rows, columns=SeedsColumns(ignore=["weight"]))
    assert [seed.answer for seed in ignored] == ["Lyon."]


def test_the_weight_of_other_turns_changes_nothing(tmp_path: Path) -> None:
    turns = [ASK, ANSWER | {"weight": 0}, ASK | {"weight": 0}, ANSWER | {"weight": 1}]
    [seed] = _read(tmp_path, [{"messages": turns}], turns="last", answers="keep")
    assert (json.loads(seed.turns or ""), seed.answer) == ([ASK, ANSWER], "Hi.")


def test_thoughts_beside_an_answer_may_precede_an_empty_system_turn(tmp_path: Path) -> None:
    turns = [ASK, ANSWER | {"thinking": "Hm."}, {"role": "system", "content": ""}]
    assert _read(tmp_path, [{"messages": turns}])[0].thoughts == "Hm."


def test_code_keeps_its_indentation_in_contexts_and_kept_answers(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    turns = [
        {"role": "system", "content": CODE},
        {"role": "user", "content": CODE},
        {"role": "assistant", "content": f"\n{CODE}\n"},
        ASK,
        ANSWER | {"content": CODE},
    ]
    path.write_text(json.dumps({"messages": turns}))
    seeds = read_seeds(path, turns="last")
    [seed] = seeds.seeds.values()
    assert seed.system == CODE
    assert [turn["content"] for turn in json.loads(seed.turns or "")] == [CODE, CODE]
    assert seeds.kept("keep", "f")["answer"].to_list() == [CODE]


def test_a_long_part_is_left_out_like_any_long_text(tmp_path: Path) -> None:
    rows = [{"instruction": "a"}, {"messages": [ASK | {"content": [LONG]}]}]
    assert len(_read(tmp_path, rows, too_long="leave_out")) == 1
    [seed] = _read(tmp_path, [{"messages": [ASK, ANSWER | {"content": [LONG]}]}])
    assert seed.answer == LONG


def test_a_mapped_key_takes_the_place_of_lions_own(tmp_path: Path) -> None:
    columns = SeedsColumns(instruction="question")
    row = {"question": "Who?", "instruction": "Answer briefly."}
    assert "key 'instruction' holds text" in _refusal(tmp_path, [row], columns=columns)


def test_a_misspelt_mapped_key_is_refused(tmp_path: Path) -> None:
    columns = SeedsColumns(input="contxt")
    message = _refusal(tmp_path, [{"instruction": "Who?", "notes": ""}], columns=columns)
    assert "no row has the key 'contxt' of seeds_columns.input (found: 'instruction'" in message


def test_a_key_has_one_meaning() -> None:
    with pytest.raises(ValueError, match="'q' has two meanings"):
        SeedsColumns(instruction="q", ignore=["q"])


def test_a_row_that_is_too_long_is_left_out_and_reported(tmp_path: Path) -> None:
    rows = [{"instruction": "a"}, {"instruction": LONG}, {"instruction": "b", "input": LONG}]
    path = tmp_path / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    seeds = read_seeds(path, too_long="leave_out")
    assert seeds.frame["instruction"].to_list() == ["a"]
    assert seeds.left_out.startswith(f"2 too long and left out, first {path}, line 2: 'instruct")
    assert "line 2: 'instruction' has 20,001 characters" in _refusal(tmp_path, rows)


def test_a_file_of_too_long_rows_is_refused(tmp_path: Path) -> None:
    message = _refusal(tmp_path, [{"instruction": LONG}], too_long="leave_out")
    assert "no rows; 1 too long and left out" in message


def test_an_answer_must_be_text_only_if_it_is_kept(tmp_path: Path) -> None:
    row = {"instruction": "Add.", "output": 5}
    assert _read(tmp_path, [row])[0].answer == ""
    assert "'output' must be a string, found 5" in _refusal(tmp_path, [row], answers="keep")


def test_of_equal_rows_the_first_answer_counts(tmp_path: Path) -> None:
    rows = [{"instruction": "Add.", "output": answer} for answer in ("", "5", "6")]
    assert [seed.answer for seed in _read(tmp_path, rows)] == ["5"]


@pytest.mark.parametrize("key", ["thoughts", "reasoning_content", "reasoning", "thinking"])
def test_thoughts_in_a_key_of_their_own_are_learnt(tmp_path: Path, key: str) -> None:
    talk = [{"role": "user", "content": "Count."}]
    reply = {"role": "assistant", "content": "<think>Two.</think>2", key: "One."}
    rows = [
        {"instruction": "Add.", "output": "5", key: "2 and 3."},
        {"messages": [*talk, reply]},
        {"instruction": "Guess.", "output": "7", key: None},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    seeds = read_seeds(path, answers="keep")
    learnt = seeds.kept("keep", path.name, thoughts="learn")
    assert learnt["answer"].to_list() == ["5", "2", "7"]
    assert learnt["thoughts"].to_list() == ["2 and 3.", "One.\n\nTwo.", None]
    assert seeds.kept("keep", path.name)["thoughts"].is_null().all()


def test_a_question_has_no_thoughts(tmp_path: Path) -> None:
    turn = {"role": "user", "content": "Count.", "thinking": "hm"}
    with pytest.raises(InputError, match="unused key 'thinking' holds text"):
        _read(tmp_path, [{"messages": [turn]}])


@pytest.mark.parametrize("end", ["<|im_end|>", "</s>", "<|im_end|>\n<|im_start|>user\nAnd?"])
def test_kept_answers_lose_end_marks_as_replies_do(tmp_path: Path, end: str) -> None:
    row = {"instruction": "Say hi.", "output": f"Hi.{end}"}
    path = tmp_path / "seeds.jsonl"
    path.write_text(json.dumps(row))
    seeds = read_seeds(path, answers="keep")
    assert seeds.kept("keep", "seeds.jsonl")["answer"].to_list() == ["Hi."]


def test_kept_answers_name_their_model_and_file(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Add.", "output": "5", "model": "gpt-4"},
        {"instruction": "Count.", "output": "<think>One.</think>1"},
        {"instruction": "Guess.", "output": "<think>One."},
        {"instruction": "Think.", "output": ""},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    seeds = read_seeds(path, answers="keep")
    kept = seeds.kept("keep", path.name)
    assert kept.select("answer", "model", "prompt_tokens", "finish_reason").rows() == [
        ("5", "gpt-4 in log.jsonl", None, "stop"),
        ("1", "log.jsonl", None, "stop"),
    ]
    assert kept["id"].to_list() == [*seeds.seeds][:2]
    assert kept["thoughts"].is_null().all()
    learnt = seeds.kept("keep", path.name, thoughts="learn")
    assert learnt["thoughts"].to_list() == [None, "One."]
    assert learnt.drop("thoughts").equals(kept.drop("thoughts"))
    assert seeds.kept("ask", path.name).is_empty()
