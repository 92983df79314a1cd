"""Seeds and questions from users: what is read, and the one line said about what is not."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lion.evaluate.questions import read_questions
from lion.pools.instructions import instruction_id
from lion.pools.rows import MAX_CHARACTERS
from lion.pools.seeds import read_seeds
from lion.pools.tables import QUESTION
from lion.support.errors import InputError

ROW = b'{"instruction": "Name a river."}'
ALPACA = Path(__file__).parents[3] / "shared" / "data" / "alpaca" / "alpaca_9k.json"

GOOD = {
    "JSONL": ROW + b"\n",
    "no last line end": ROW,
    "blank lines": b"\n" + ROW + b"\n\n",
    "Windows line ends": ROW + b"\r\n" + b"\r\n",
    "byte order mark": b"\xef\xbb\xbf" + ROW,
    "list": b"[" + ROW + b"]",
    "list on many lines": b"\r\n[\r\n" + ROW + b"\r\n]\r\n",
    "list with byte order mark": b"\xef\xbb\xbf[" + ROW + b"]",
    "empty input": b'{"instruction": "Name a river.", "input": ""}',
    "null input": b'{"instruction": "Name a river.", "input": null}',
    "other keys": b'{"instruction": "Name a river.", "output": "Po", "n": [1], "id": 3}',
    "outer spaces": b'{"instruction": "  Name a river.\\n", "input": " "}',
}

BAD = {
    "empty file": (b"", "FILE: no rows; "),
    "only blank lines": (b"\n \r\n", "FILE: no rows; "),
    "empty list": (b"[]", "FILE: no rows; "),
    "prose": (b"Name a river.\n", "FILE, line 1: not JSON (Expecting value); expected a JSON list"),
    "broken line": (ROW + b"\n\n{'instruction': 'x'}\n", "FILE, line 3: not JSON (Expecting prop"),
    "two rows in a line": (ROW + ROW, "FILE, line 1: not JSON (Extra data); "),
    "row over two lines": (b'{"instruction":\n"x"}', "FILE, line 1: not JSON (Expecting value); "),
    "list cut short": (b"[\n" + ROW + b",\n", "FILE, line 3: not JSON (Expecting value); "),
    "too deep": (b"[" * 200_000, "FILE, line 1: not JSON (maximum recursion depth exceeded"),
    "NaN": (b'{"instruction": NaN}', "FILE, line 1: 'instruction' must be a string, found None"),
    "nothing to see": (
        '{"instruction": "\u200b \ufeff"}'.encode(),
        "FILE, line 1: 'instruction' is empty; fill it in",
    ),
    "key twice": (
        b'{"instruction": "x", "instruction": "y"}',
        "FILE, line 1: not JSON (duplicate key 'instruction' in one object); ",
    ),
    "not an object": (ROW + b"\n[1]", "FILE, line 2: expected an object with 'instruction', found"),
    "list of texts": (b'["x"]', "FILE, item 1: expected an object with 'instruction', found 'x'"),
    "wrong key": (
        ROW + b'\n{"prompt": "x", "output": "y"}',
        "FILE, line 2: missing key 'instruction' (found: 'prompt', 'output'); rename or add it",
    ),
    "wrong key in a list": (b"[" + ROW + b", {}]", "FILE, item 2: missing key 'instruction'"),
    "a number": (b'{"instruction": 7}', "FILE, line 1: 'instruction' must be a string, found 7"),
    "null": (b'{"instruction": null}', "FILE, line 1: 'instruction' must be a string, found None"),
    "input a list": (
        b'{"instruction": "x", "input": ["y"]}',
        "FILE, line 1: 'input' must be a string, found ['y']",
    ),
    "empty instruction": (b'{"instruction": ""}', "FILE, line 1: 'instruction' is empty; "),
    "only spaces": (b'{"instruction": " \\n\\t"}', "FILE, line 1: 'instruction' is empty; "),
    "100 KB": (
        ROW + b'\n{"instruction": "' + b"x" * 100_000 + b'"}',
        "FILE, line 2: 'instruction' has 100,000 characters; at most 20,000 are allowed; ",
    ),
    "long input": (
        b'{"instruction": "x", "input": "' + b"x" * 20_001 + b'"}',
        "FILE, line 1: 'input' has 20,001 characters; ",
    ),
    "Latin-1": (
        ROW + b'\n{"instruction": "caf\xe9"}',
        "FILE, line 2: byte 0xe9 is not UTF-8; save it as UTF-8",
    ),
    "UTF-16": (b"\xff\xfe" + ROW.decode().encode("utf-16-le"), "FILE, line 1: byte 0xff is not"),
    "NUL": (
        b'{"instruction": "a\\u0000"}',
        "FILE, line 1: 'instruction' contains U+0000 at character 2, which is not text; remove it",
    ),
    "half a surrogate pair": (
        b'{"instruction": "x", "input": "\\ud83d"}',
        "FILE, line 1: 'input' contains U+D83D at character 1, which is not text; remove it",
    ),
}


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_reads(tmp_path: Path, content: bytes) -> None:
    seeds = read_seeds(_file(tmp_path, content))
    assert seeds.frame.rows(named=True) == [{"instruction": "Name a river.", "input": ""}]
    assert seeds.duplicates == 0


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_refuses_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_seeds(path)
    assert caught.value.message.startswith(message.replace("FILE", str(path)))
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < len(str(path)) + 200


def test_names_a_file_that_is_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.jsonl: No such file or directory; "):
        read_seeds(tmp_path / "gone.jsonl")
    with pytest.raises(InputError, match=r": Is a directory; "):
        read_seeds(tmp_path)


def test_longest_allowed_instruction_is_read(tmp_path: Path) -> None:
    path = _file(tmp_path, json.dumps({"instruction": "x" * MAX_CHARACTERS}).encode())
    assert read_seeds(path).frame["instruction"].str.len_chars().to_list() == [MAX_CHARACTERS]


def test_line_separators_inside_a_text_end_no_line(tmp_path: Path) -> None:
    text = "one\u2028two\x85three"
    path = _file(tmp_path, json.dumps({"instruction": text}, ensure_ascii=False).encode())
    assert read_seeds(path).frame["instruction"].to_list() == [text]


def test_drops_and_counts_repeats_keeping_the_first(tmp_path: Path) -> None:
    pairs = [("b", "1"), ("a", ""), ("b ", " 1"), ("b", "2"), ("a", "")]
    rows = [{"instruction": instruction, "input": input} for instruction, input in pairs]
    seeds = read_seeds(_file(tmp_path, json.dumps(rows).encode()))
    assert seeds.frame.rows() == [("b", "1"), ("a", ""), ("b", "2")]
    assert seeds.duplicates == 2


def test_questions_have_ids_and_a_category(tmp_path: Path) -> None:
    content = b'{"instruction": "x", "category": "math"}\n{"instruction": "x", "input": "y"}\n'
    questions = read_questions(_file(tmp_path, content))
    assert questions.schema == QUESTION
    assert questions["category"].to_list() == ["math", "all"]
    assert questions["id"].to_list() == [instruction_id("x", ""), instruction_id("x", "y")]


def test_questions_keep_the_indentation_of_code(tmp_path: Path) -> None:
    code = "    if x:\n        y()"
    path = _file(tmp_path, json.dumps({"instruction": "Fix:", "input": f"\n{code}\n"}).encode())
    assert read_questions(path)["input"].to_list() == [code]


def test_questions_may_not_repeat(tmp_path: Path) -> None:
    path = _file(tmp_path, b'{"instruction": "x"}\n\n{"instruction": "x", "category": "math"}')
    with pytest.raises(InputError, match=r"line 3: repeats .*, line 1; remove one of them"):
        read_questions(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no rows"), (b'{"instruction": "x", "category": 7}', "'category' must be a string")],
)
def test_refuses_questions_like_seeds(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_questions(_file(tmp_path, content))


def test_damaged_files_are_read_whole_or_refused(tmp_path: Path) -> None:
    rng = random.Random(5)
    listed = b'[{"instruction": "Name a river\\u00e9.", "input": null, "n": [1, 2]},\n' + ROW + b"]"
    by_line = listed[1:-1].replace(b",\n", b"\n")
    heights, messages = set(), []
    for _ in range(1_000):
        damaged = bytearray(rng.choice([listed, by_line]))
        for _ in range(rng.randrange(3)):
            damaged[rng.randrange(len(damaged))] = rng.choice(b'[]{}",:\\ \n\0\xff1u')
        try:
            heights.add(read_seeds(_file(tmp_path, bytes(damaged))).frame.height)
        except InputError as error:
            messages.append(error.message)
    assert heights == {2}
    assert len(messages) > 300
    assert not any("\n" in message for message in messages)


@pytest.mark.skipif(not ALPACA.exists(), reason=f"the real data is not there ({ALPACA})")
def test_reads_alpacas_own_file() -> None:
    seeds = read_seeds(ALPACA)
    assert (seeds.frame.height, seeds.duplicates) == (9229, 0)


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "seeds.jsonl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        '{"a": ' * 10_000 + "1" + "}" * 10_000,
        '[{"instruction": ' + "[" * 10_000 + "]" * 10_000 + "}]",
        '{"instruction": "Say x", "more": ' + "[" * 10_000 + "]" * 10_000 + "}",
    ],
)
@pytest.mark.parametrize("read", [read_seeds, read_questions])
def test_deeply_nested_json_is_one_line(
    tmp_path: Path, text: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "deep.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=r"deep.jsonl, line 1: not JSON") as caught:
        read(path)
    assert len(caught.value.format_message()) < 300
