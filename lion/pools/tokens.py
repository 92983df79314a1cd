"""Tokens of a text in any script, for the novelty filter and for decontamination.

A text whose letters and digits are all ASCII has rouge-score's tokens. Any other text is split into
words, which are runs of letters, marks and digits. Scripts without spaces give one token per
character instead, as is usual for ROUGE in these scripts. Mixed texts have both kinds.
"""

import re
import unicodedata
from itertools import accumulate

import regex

# Line break class SA: Thai, Lao, Khmer, Burmese and other scripts without spaces.
_CHARACTERS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}ー"  # ー is of two scripts
_UNSPACED = rf"{_CHARACTERS}\p{{Line_Break=SA}}"

_ASCII = re.compile("[a-z0-9]+")
_FOREIGN = regex.compile(r"[\p{L}\p{Nd}--a-z0-9]", regex.V1)  # a letter or a digit
_TOKEN = regex.compile(
    rf"[{_UNSPACED}&&[\p{{L}}\p{{N}}]]\p{{M}}*"
    # A mark alone, as behind an emoji, is no word.
    rf"|[\p{{L}}\p{{Nd}}--[{_UNSPACED}]][\p{{L}}\p{{M}}\p{{Nd}}--[{_UNSPACED}]]*",
    regex.V1,
)
_PIECE = regex.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}\u0f0b]+", regex.V1)  # U+0F0B: Tibetan
_HALF = regex.compile(rf"[{_CHARACTERS}\p{{Tibetan}}]", regex.V1)
_COMPLEX = regex.compile(r"\p{Line_Break=SA}", regex.V1)

# Characters that a spelling may leave out: format characters, tatweel, the dot of a Turkish İ in
# lower case, and the vowel points of Hebrew and Arabic.
_OPTIONAL = regex.compile(r"[\p{Cf}\u0640\u0307\u064b-\u0652\u0670]|[\p{Hebrew}&&\p{M}]", regex.V1)
# Letters that are often written as another one. Greek drops its accents in capitals.
_SAME = str.maketrans("ıёيىكأإآςάέήίόύώϊϋΐΰ", "iеییکاااσαεηιουωιυιυ")

_LONGEST = 200  # characters of a word that matter
WORD = 4  # weight of a word, see `weight_of`


def tokens(text: str) -> list[str]:
    """Return the lower-case tokens of `text`; compatible forms, such as full-width, are unified."""
    lowered = text.lower()
    # Composed first, since an accent may be a separate character, which is not a letter.
    if lowered.isascii() or not _FOREIGN.search(unicodedata.normalize("NFC", lowered)):
        return _ASCII.findall(lowered) or folded(text)  # signs alone, such as ½, are digits
    return folded(text)


def folded(text: str) -> list[str]:
    """Return the tokens of `text` with signs such as ² and ½ as digits, whatever its letters are.

    Spellings that people mix are one: soft hyphens and joiners, vowel points, variant letters.
    One accented letter does not change the other tokens here. ASCII text has the same `tokens`.
    """
    lowered = unicodedata.normalize("NFKC", text).lower()
    unified = unicodedata.normalize("NFKC", _OPTIONAL.sub("", lowered).translate(_SAME))
    words: list[str] = _TOKEN.findall(unified)
    return words


def weight_of(token: str) -> int:
    """Return the length of a token in quarters of a word.

    A word has about two characters in Chinese and Japanese, two syllables in Tibetan, and four
    characters in Thai and Khmer.
    """
    if token.isascii():
        return WORD
    if _HALF.match(token):
        return WORD // 2
    return WORD // 4 if _COMPLEX.match(token) else WORD


def pieces(text: str) -> list[str]:
    """Return the words between spaces, and each character of scripts without spaces."""
    parts: list[str] = _PIECE.findall(text)
    return parts


def opening(text: str, words: int) -> list[str]:
    """Return the pieces of the first `words` words of `text`, in lower case."""
    parts = pieces(text[: _LONGEST * words].lower())
    totals = accumulate(map(weight_of, parts), initial=0)
    return [part for part, total in zip(parts, totals, strict=False) if total < words * WORD]


def word_count(text: str) -> int:
    """Return the number of words in `text`; in scripts without spaces it is an estimate."""
    return round(sum(map(weight_of, pieces(text))) / WORD)


def length_in_words(text: str) -> int:
    """Estimate the length of `text` in English words, rounded up, for token limits.

    It is at least the number of space-separated words. Outside ASCII four bytes count as a word,
    since tokenizers spend up to one token per byte there; in ASCII eight bytes do, for code and
    lists.
    """
    size = len(text.encode())
    ascii_size = sum(map(str.isascii, text))
    return max(len(text.split()), -(-(2 * size - ascii_size) // 8))
