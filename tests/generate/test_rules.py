"""Which replies are instructions: the paper's rules for English, or those for any language."""

import pytest

from lion.chat.types import Reply
from lion.generate.rules import fault
from tests.fakes import reply


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply("Write an instruction for me please"), "speaks of instructions"),
        (reply("Follow these INSTRUCTIONS one by one"), "speaks of instructions"),
        (reply("Count to ten"), "three words or fewer"),
        (reply("- name the rivers of France"), "starts with punctuation or non-ASCII"),
        (reply("Über die Flüsse in Frankreich"), "starts with punctuation or non-ASCII"),
        (reply("name all rivers of", finish_reason="length"), "cut by the limit"),
        (reply("", finish_reason="content_filter"), "refused or empty"),
        (reply("  \n "), "refused or empty"),
        (reply("Name the rivers of France"), None),
        (reply("3 rivers of France, which ones?"), None),
    ],
)
def test_the_papers_rules(answer: Reply, why: str | None) -> None:
    assert fault(answer, "paper") == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Write assembly instructions for a shelf", None),
        ("Count to ten", None),
        ("¿Cuál es la capital de Chile?", None),
        ("Übersetze ins Englische: Hallo", None),
        ('"Carpe diem": erkläre, woher der Spruch kommt.', None),
        ("$5 in Euro?", None),
        ("写诗", None),
        ("لخص تاريخ بغداد", None),
        ("Here is a list of numbers: 3, 1, 2. Sort it.", None),
        ("Sorry seems to be the hardest word: who sang it?", None),
        ("¿...?! 。、", "nothing but punctuation"),
        ("I'm sorry, but I can't help with that.", "refused or empty"),
        ("Unfortunately, I can't help with that.", "refused or empty"),
        ("I apologize, but I cannot write it.", "refused or empty"),
        ("I’m not able to help with that.", "refused or empty"),
        ("Lo siento, no puedo ayudar con eso.", "refused or empty"),
        ("Desculpe, não posso ajudar.", "refused or empty"),
        ("Извините, я не могу помочь.", "refused or empty"),
        ("Unfortunate events: name the author.", None),
        ("很抱歉，我无法完成这个请求。", "refused or empty"),
        ("Es tut mir leid, aber ich kann das nicht.", "refused or empty"),
        ("죄송하지만 도와드릴 수 없습니다.", "refused or empty"),
        ("Xin lỗi, tôi không thể giúp bạn.", "refused or empty"),
        ("Üzgünüm, bu konuda yardımcı olamam.", "refused or empty"),
        ("ขออภัย ฉันไม่สามารถช่วยได้", "refused or empty"),
        ("क्षमा करें, मैं मदद नहीं कर सकता।", "refused or empty"),
        ("אני מצטער, אני לא יכול לעזור.", "refused or empty"),
        ("Mi dispiace, ma non posso.", "refused or empty"),
        ("คำนวณ 2+2", None),
        ("សរសេរកំណាព្យ", None),
        ("תרגם לאנגלית: שלום", None),
        ("Maaf: jelaskan arti kata ini.", None),
        ("🎉🎉🎉", "nothing but punctuation"),
        ("Here is a new instruction: Name a river.", "repeats the prompt"),
        ("Sure! Here's a rarer task for you: Name a river.", "repeats the prompt"),
        ("Name a river. <task 0123456789abcdef> Done.", "repeats the prompt"),
        ("Name a river.\n\nTask 0123456789abcdef\n\nName a lake.", "repeats the prompt"),
        ("Think of one more task, inspired by this example.\nName a river.", "repeats the prompt"),
        ("Name a river.\n- It belongs to the same domain but is rarer", "repeats the prompt"),
    ],
)
def test_the_rules_for_any_language(text: str, why: str | None) -> None:
    assert fault(reply(text), "any") == why


@pytest.mark.parametrize("rules", ["any", "paper"])
def test_a_cut_text_is_never_an_instruction(rules: str) -> None:
    assert fault(reply("为一家三口", finish_reason="length"), rules) == "cut by the limit"  # type: ignore[arg-type]
