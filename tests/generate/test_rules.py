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


@pytest.mark.parametrize(
    "text",
    [
        "I must decline this request.",
        "I don't feel comfortable helping with that.",
        "This request violates my guidelines.",
        "I have to respectfully decline to answer. It is unsafe.",
        "I am sorry, but this goes against my programming. Ask again.",
        "I'm sorry, but I can't help with that. Please ask me something else.",
        "I'm sorry, but I can't write a story about poison. It would be dangerous.",
        "I'm sorry for the confusion. Which task do you mean?",
        "I cannot, in good conscience, assist with this.",
        "As an AI language model, I don't have opinions. However, many people do.",
        "As an AI developed by a company, I cannot do that. Ask again.",
        "Es tut mir leid, aber ich kann das nicht. Frag etwas anderes.",
        "Leider kann ich diese Anfrage nicht erfüllen. Frag etwas anderes.",
        "Je suis désolé, mais je ne peux pas vous aider. Demandez autre chose.",
        "Lo siento, no puedo ayudar con eso. Pregunta otra cosa.",
        "Mi dispiace, ma non posso aiutarti. Chiedi altro.",
        "Извините, я не могу помочь. Спросите другое.",
        "很抱歉，我无法完成这个请求。请换一个问题。",
        "申し訳ありませんが、そのご要望にはお応えできません。別の質問をどうぞ。",
        "죄송하지만 도와드릴 수 없습니다. 다른 질문을 해 주세요.",
        "عذرًا، لا أستطيع مساعدتك. اسأل شيئا آخر.",
        "ขออภัยค่ะ ฉันไม่สามารถช่วยได้ โปรดถามใหม่",
        "Üzgünüm, bu konuda yardımcı olamam. Başka sor.",
        "I'm really sorry, but I can't help with that request.",
        "**I’m\xa0sorry**, but I cannot do this.",
        "\u200fأنا آسف، لا أستطيع المساعدة.",
        "Es tut mir leid, aber das kann ich nicht.",
        "No puedo ayudarte con eso.",
        "Jag är ledsen, men jag kan inte hjälpa till.",
        "Beklager, men jeg kan ikke hjelpe.",
        "Sajnálom, de ebben nem segíthetek.",
        "Съжалявам, но не мога да помогна.",
        "দুঃখিত, আমি সাহায্য করতে পারছি না।",
        "மன்னிக்கவும், என்னால் உதவ முடியாது.",
        "Samahani, siwezi kusaidia.",
        "我无法协助完成这个请求。",
        "ごめんなさい、それはできません。",
        "미안하지만 도와줄 수 없어요.",
    ],
)
def test_what_declines_is_a_refusal_whatever_follows(text: str) -> None:
    assert fault(reply(text), "any") == "refused or empty"


@pytest.mark.parametrize(
    "text",
    [
        "I can't decide which phone to buy. Compare A and B.",
        "I won't be able to attend the meeting. Write an apology email.",
        "Unfortunately, I missed my train. Write an email to my boss.",
        "As an AI researcher, I need a summary of RLHF.",
        "抱歉，我迟到了。请帮我写一封道歉信。",
        "I can't help my son with his maths. Explain fractions.",
        "I cannot sleep at night - what should I do?",
        "I can't get this to work:\nprint(1/0)",
        "I must decline a wedding invitation. Write a polite note.",
        "I don't feel comfortable speaking in public. Give five tips.",
        "This request was sent to all staff. Shorten it.",
        "I am unable to sleep at night. What can I do?",
        "I can't create a new user in WordPress. What should I check?",
        "Unfortunately, I don't have much time. Give me a ten-minute workout.",
        "I apologize for the delay: rewrite this sentence in three tones.",
        "すみませんが、この文を英語に訳してください：本日は休業です。",
        "죄송하지만 이 문장을 영어로 번역해 주실 수 있나요?",
        "Xin lỗi, tôi muốn hỏi cách nấu phở chay.",
        "Maaf, saya ingin tahu cara membuat paspor. Jelaskan langkahnya.",
        "К сожалению, я плохо сплю. Дай пять советов.",
        "对不起，我不能参加会议，请帮我写一封请假邮件。",
        "Вот задача: у Пети было 5 яблок. Сколько осталось?",
    ],
)
def test_a_request_may_open_like_a_refusal(text: str) -> None:
    assert fault(reply(text), "any") is None


@pytest.mark.parametrize(
    "text",
    [
        "Task 1: Write a poem.\n\nTask 2: Write a story.",
        "**Task 1:** Write a poem.\n\n**Task 2:** Write a story.",
        "# Task 1\nWrite a poem.\n\n# Task 2\nWrite a story.",
        "New task: Write a poem.\n\nAnother task: Write a story.",
        "Task 1: Write a poem. Task 2: Write a story.",
    ],
)
def test_several_tasks_are_not_one(text: str) -> None:
    assert fault(reply(text), "any") == "several tasks"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("٣ + ٤ = ؟", None),
        ("३ + ४ = ?", None),
        ("½ + ¼ = ?", None),
        ("3 + 4 = ?", None),
        ("❤️!", "nothing but punctuation"),
    ],
)
def test_digits_of_any_script_are_more_than_punctuation(text: str, why: str | None) -> None:
    assert fault(reply(text), "any") == why


@pytest.mark.parametrize(
    "answer",
    [
        "Answer: There once",
        "**Solution:**\nThere",
        "### Response\nThere",
        "答案：从前",
        "Ответ: Жил",
    ],
)
def test_a_task_with_its_answer_is_refused(answer: str) -> None:
    assert fault(reply(f"Write a limerick.\n\n{answer}"), "any") == "contains its answer"


@pytest.mark.parametrize(
    "text",
    [
        "Complete the last line.\n\nQuestion: 1+1\n\nAnswer: 2\n\nQuestion: 2+2\n\nAnswer: 4",
        "Answer as a pirate.\n\nQuestion: Where is the gold?\n\nAnswer:",
        "Is this correct?\nAnswer: Paris",
        "Shorten this letter.\n\nResponses were slow this year.",
    ],
)
def test_a_label_in_a_task_is_no_answer(text: str) -> None:
    assert fault(reply(text), "any") is None
