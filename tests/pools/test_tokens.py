"""Tokens of any script: rouge-score's where letters are ASCII, words or characters elsewhere."""

import unicodedata

import pytest
from rouge_score import tokenize

from lion.pools.contamination import Questions
from lion.pools.novelty import NoveltyFilter
from lion.pools.tokens import WORD, folded, length_in_words, tokens, weight_of, word_count

SEEDS = {
    "Chinese": "推荐五本适合十岁孩子阅读的书。",
    "Japanese": "味噌汁の作り方を手順ごとに説明してください。",
    "Thai": "อธิบายวิธีทำต้มยำกุ้งทีละขั้นตอนให้เข้าใจง่าย",
    "Khmer": "សូមពន្យល់ពីរបៀបធ្វើបាយឆាមួយជំហានម្តងៗ",
    "Burmese": "မုန့်ဟင်းခါးချက်နည်းကို အဆင့်ဆင့်ရှင်းပြပါ",
    "Lao": "ອະທິບາຍວິທີເຮັດເຂົ້າໜຽວໃຫ້ເຂົ້າໃຈງ່າຍ",
    "Russian": "Посоветуй пять книг для десятилетнего ребёнка.",
    "Arabic": "اقترح خمسة كتب لطفل في العاشرة.",
    "Korean": "열 살 아이를 위한 책 다섯 권을 추천해 주세요.",
    "Hindi": "दस साल के बच्चे के लिए पाँच किताबें सुझाइए।",
    "German": "Überlege dir fünf Rätsel über den Winter für Zehnjährige.",
}
OTHERS = {
    "Chinese": "用 Python 抓取网页标题",
    "Japanese": "札幌を二日で回る旅行の計画を立ててください。",
    "Thai": "แต่งกลอนสั้น ๆ เกี่ยวกับทะเล",
    "Khmer": "តើហេតុអ្វីបានជាមេឃមានពណ៌ខៀវ",
    "Burmese": "ကောင်းကင်က ဘာကြောင့် အပြာရောင်လဲ",
    "Lao": "ເປັນຫຍັງທ້ອງຟ້າຈຶ່ງເປັນສີຟ້າ",
    "Russian": "Сравни трамвай и велосипед для дороги на работу.",
    "Arabic": "ضع خطة لزيارة مراكش في يومين.",
    "Korean": "하늘은 왜 파란가요?",
    "Hindi": "आसमान नीला क्यों होता है?",
    "German": "Erkläre einem Kind, warum der Himmel blau ist.",
}


def test_texts_in_ascii_letters_and_digits_have_rouge_scores_tokens() -> None:
    for start in range(0, 0x110000, 0x1000):
        kept = [char for char in map(chr, range(start, start + 0x1000)) if not _is_foreign(char)]
        text = "a b".join(kept)
        assert tokens(text) == tokenize.tokenize(text, None)


def _is_foreign(char: str) -> bool:
    """Whether `char` is a digit or letter beyond ASCII, or makes one with an ASCII letter."""
    composed = unicodedata.normalize("NFC", f"b{char}a{char}b".lower())
    # The two libraries may know different versions of Unicode, so unassigned characters stay out.
    unassigned = unicodedata.category(char) == "Cn"
    return unassigned or any((c.isalpha() or c.isdecimal()) and not c.isascii() for c in composed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("用 Python 写快速排序", ["用", "python", "写", "快", "速", "排", "序"]),
        ("½ + ¼ = ?", ["1", "2", "1", "4"]),
        ("①+②=?", ["1", "2"]),
        ("naïve Café-Gäste", ["naïve", "café", "gäste"]),
        ("cafe\u0301", ["café"]),
        ("l'été 1_é", ["l", "été", "1", "é"]),
        ("コーヒーを１０杯", ["コ", "ー", "ヒ", "ー", "を", "10", "杯"]),
        ("ﾊﾟﾝ", ["パ", "ン"]),
        ("اشرح ٣ طرق", ["اشرح", "٣", "طرق"]),
        ("x = ١٢٣", ["x", "١٢٣"]),
        ("２ + ３", ["2", "3"]),
        ("❤\ufe0f été", ["été"]),
        ("¿...?! 。、", []),
    ],
)
def test_words_and_characters(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize("language", SEEDS)
def test_repeats_are_refused_and_other_tasks_are_new(language: str) -> None:
    seed, other = SEEDS[language], OTHERS[language]
    repeats = [seed, seed[:-1] + "!!", unicodedata.normalize("NFD", seed)]
    novelty = NoveltyFilter([seed], ["seed"], threshold=0.7)
    matches = novelty.accept([*repeats, other], ["a", "b", "c", "d"])
    assert [match is None for match in matches] == [False, False, False, True]
    assert [match.id for match in matches if match] == ["seed"] * 3


def test_a_shared_latin_word_makes_no_repeat() -> None:
    novelty = NoveltyFilter(["用 Python 写快速排序"], ["a"], threshold=0.7)
    assert novelty.nearest(["用 Python 抓取网页标题"]) == [None]


@pytest.mark.parametrize("language", SEEDS)
def test_a_question_repeated_word_for_word_is_found(language: str) -> None:
    questions = Questions([SEEDS[language]], ["q"], words=8)
    overlap = questions.overlap(SEEDS[language])
    assert overlap
    assert overlap.question == "q"
    assert questions.overlap(OTHERS[language]) is None


@pytest.mark.parametrize("opening", ["Zoe asks: ", "Zoë asks: ", "小明问：", "Вопрос: "])
@pytest.mark.parametrize(
    "question",
    [
        "If x² + 3x = 10 and y² - 2y = 8 and z² = 9, what is x² + y² + z²?",
        "Which is more: ½ of 9 apples, ¾ of 7 apples, or ⅓ of 12 apples?",
    ],
)
def test_the_letters_around_a_repeated_question_do_not_matter(opening: str, question: str) -> None:
    assert Questions([question], ["q"], words=8).overlap(opening + question)
    assert Questions([opening + question], ["q"], words=8).overlap(question)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ποια είναι η πρωτεύουσα;", "ΠΟΙΑ ΕΙΝΑΙ Η ΠΡΩΤΕΥΟΥΣΑ;"),
        ("İstanbul'da hava nasıl?", "İSTANBUL'DA HAVA NASIL?"),
        ("Ещё один пример", "Еще один пример"),
        ("می‌خواهم کتاب بخوانم", "میخواهم كتاب بخوانم"),
        ("שָׁלוֹם עולם", "שלום עולם"),
        ("كَتَبَ الولد", "كتب الولد"),
        ("Donau\u00addampf\u00adschiff fährt", "Donaudampfschiff fährt"),
    ],
)
def test_spellings_that_people_mix_are_one_text(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_a_long_vowel_or_a_tibetan_syllable_is_no_word() -> None:
    questions = Questions(
        ["データセンターのサーバーが停止した原因を説明してください。"], ["q"], words=8
    )
    assert questions.overlap("データセンターのサーバーを冷やす方法を三つ教えてください。") is None
    assert weight_of("བོད") == WORD // 2
    assert word_count("བོད་ཀྱི་ལོ་རྒྱུས") == 2


@pytest.mark.parametrize(("one", "other"), [("x = ١٢٣ + ٤٥٦", "x = ٩٩٩ + ٧"), ("x = १२", "x = ७")])
def test_other_digits_make_another_text(one: str, other: str) -> None:
    assert NoveltyFilter([one], ["a"], threshold=0.7).nearest([one, other])[1] is None


def test_eight_characters_are_not_eight_words() -> None:
    question = "如果要在一个小镇上开一家图书馆，第一个月应该先做哪五件事？请说明理由。"
    questions = Questions([question], ["q"], words=8)
    assert questions.overlap("请为我写一首诗，请说明理由。") is None
    assert questions.overlap("我想知道：" + question[:20])


@pytest.mark.parametrize(
    ("text", "words"),
    [("", 0), ("Name a river in Spain", 5), ("写诗", 2), ("味噌汁の作り方", 6), ("x" * 80, 10)],
)
def test_length_in_words(text: str, words: int) -> None:
    assert length_in_words(text) == words
