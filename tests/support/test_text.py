"""Untrusted text on its way to the terminal."""

import pytest

from lion.support.errors import ChatError, InputError, LionError
from lion.support.text import table, width_of

HOSTILE = "\x1b[31m red \x07 \x9b2J \u202e"


@pytest.mark.parametrize("kind", [LionError, InputError, ChatError])
def test_an_error_message_does_not_control_the_terminal(
    kind: type[LionError], capsys: pytest.CaptureFixture[str]
) -> None:
    kind(f"teach r1: {HOSTILE}").show()
    assert capsys.readouterr().err == (
        "Error: teach r1: ⟦U+001B⟧[31m red ⟦U+0007⟧ ⟦U+009B⟧2J ⟦U+202E⟧\n"
    )


@pytest.mark.parametrize("markdown", [False, True])
def test_cells_and_column_names_of_a_table_do_not_either(markdown: bool) -> None:
    text = table([{HOSTILE: HOSTILE, "n": 1}], [HOSTILE, "n"], markdown=markdown)
    assert text.count("⟦U+001B⟧[31m") == 2
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)


def test_columns_of_a_table_line_up_in_every_script() -> None:
    texts = ["abc", "解释为什么", "ภาษาไทย", "café", "cafe\u0301", "한국어", "😀"]
    lines = table([{"text": text, "end": "x"} for text in texts], ["text", "end"]).split("\n")
    assert len({width_of(line) for line in lines[1:]}) == 1
    assert width_of("解释") == 4
    assert width_of("cafe\u0301") == width_of("café") == 4
