"""The forms in which two spellings of one label meet: folded letters, numbers, singulars, usual
abbreviations."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_DROPPED = dict.fromkeys(map(ord, "'’‘`´ʼ′™®©℠"))
_SUPERSCRIPTS = str.maketrans({sign: f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
_LATIN = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "æ": "ae", "œ": "oe"}
)
_KEPT_PUNCTUATION = "+#%^"
_BETWEEN_DIGITS = "./:"
_SEPARATING_SYMBOLS = "|~"
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_INNER_SPACE = re.compile(r"(?<!\d) | (?!\d)")
_DIGIT_EDGE = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)\Z")
_ROMAN = re.compile(r"(?=[ivx])(x{0,3})(ix|iv|v?i{0,3})\Z")


@cache
def tables() -> dict[str, Any]:
    """The word tables of forms.yaml."""
    import yaml

    loaded: dict[str, Any] = yaml.safe_load((_HERE / "forms.yaml").read_text(encoding="utf-8"))
    return loaded


@lru_cache(maxsize=1 << 18)
def normal_form(text: str) -> str:
    """The label without case, accents of Latin and Greek letters, apostrophes and punctuation, words set
    one space apart.

    Signs that tell values apart stay: `+`, `#`, `%`, currency, the point in 2.4 and the minus of -5. A
    label that is nothing but punctuation is its own form, so that it does not meet every other such label.
    """
    plain = unicodedata.normalize("NFKC", text.translate(_SUPERSCRIPTS).translate(_DROPPED)).casefold()
    return _clean(plain) or " ".join(text.split())


def compact_form(text: str) -> str:
    """The normal form without its spaces, save between digits: "Wi-Fi" meets "wifi", "1 1" does not meet
    "11"."""
    return _INNER_SPACE.sub("", normal_form(text))


def cased_tokens(text: str) -> list[str]:
    """The words of the normal form in the letters' own case, as the reading of Roman numerals needs them."""
    return _clean(unicodedata.normalize("NFKC", text.translate(_SUPERSCRIPTS).translate(_DROPPED))).split(" ")


def _clean(text: str) -> str:
    text = _THOUSANDS.sub("", _without_accents(text))
    if text.isascii() and text.isalnum():
        return text
    kept: list[str] = []
    for at, sign in enumerate(text):
        if sign.isalnum():
            kept.append(sign)
        elif sign == "&":
            kept.append(" and ")
        else:
            kept.append(_sign(text, at, sign))
    return " ".join("".join(kept).split()) or " ".join(text.split())


def _sign(text: str, at: int, sign: str) -> str:
    """What stands in the normal form for a character that is neither letter nor digit."""
    before, after = text[at - 1] if at else " ", text[at + 1] if at + 1 < len(text) else " "
    if sign in _BETWEEN_DIGITS and before.isdigit() and after.isdigit():
        return sign
    if sign in "-−" and after.isdigit() and before.isspace():
        return "-"
    if sign in _KEPT_PUNCTUATION:
        return sign
    category = unicodedata.category(sign)
    if category == "Cf":
        return ""
    if category in ("Sm", "Sc", "So") and sign not in _SEPARATING_SYMBOLS:
        return sign
    return " " if category[0] in "PSZ" or category == "Cc" else sign


def _without_accents(text: str) -> str:
    """Marks go from Latin and Greek letters only: elsewhere (Cyrillic, kana, Devanagari) they make another
    letter."""
    if text.isascii():
        return text
    kept: list[str] = []
    base_is_plain = False
    for sign in unicodedata.normalize("NFD", text.translate(_LATIN)):
        if unicodedata.category(sign) == "Mn":
            if not base_is_plain:
                kept.append(sign)
            continue
        base_is_plain = sign < "\u0400"
        kept.append(sign)
    return unicodedata.normalize("NFC", "".join(kept))


def roman_value(word: str) -> int | None:
    """The number below 40 that a lower-case Roman numeral writes; None where it is none."""
    match = _ROMAN.match(word)
    if match is None:
        return None
    units = {"": 0, "i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9}[
        match[2]
    ]
    return 10 * len(match[1]) + units


def with_numbers(tokens: list[str], cased: list[str]) -> list[str]:
    """The words with numbers written as digits: words, Roman numerals; ordinals as `#2`, letters split from
    digits.

    A single letter I, V or X counts as a number only after a word that is counted ("part", "volume",
    "war").
    """
    words: dict[str, str] = tables()["number_words"]
    counted: list[str] = tables()["counted"]
    split: list[str] = []
    for at, token in enumerate(tokens):
        ordinal = _ORDINAL.match(token)
        roman = roman_value(token)
        as_numeral = len(token) > 1 or (
            at > 0 and tokens[at - 1] in counted and cased[at : at + 1] != [token]
        )
        if ordinal:
            split.append(f"#{ordinal[1]}")
        elif token in words:
            split.append(str(words[token]))
        elif roman is not None and as_numeral:
            split.append(str(roman))
        else:
            split.extend(_DIGIT_EDGE.sub(" ", token).split(" "))
    return split


@lru_cache(maxsize=1 << 16)
def singular(word: str) -> str:
    """The singular of an English noun in lower case; the word itself where it has none or names another
    thing."""
    irregular: dict[str, str] = tables()["irregular_plurals"]
    if word in irregular:
        return irregular[word]
    if len(word) < 4 or word in tables()["not_plural"] or not word.endswith("s"):
        return word
    if word.endswith(("ss", "us", "is", "ics", "ous")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "ches", "shes", "xes", "zzes")):
        return word[:-2]
    return word[:-1]
