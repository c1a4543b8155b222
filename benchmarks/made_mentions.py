"""A made, seeded corpus of mentions with known truth: Zipf over values, wordings as sources write them, and
values that tempt a resolver into wrong merges (numbers, editions, units, namesakes, names one letter apart)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np


def _words(text: str) -> list[str]:
    return text.split()


GIVEN = _words("""James Mary
Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph
Jessica Thomas Sarah Carlos Karen Daniel Nancy Matthew Lisa Anthony Betty Mark Margaret Donald Sandra Steven Ashley
Paul Kimberly Andrew Emily Joshua Donna Kenneth Michelle Kevin Carol Brian Amanda George Dorothy Édouard Melissa Ronald
Deborah Timothy Stephanie Jason Rebecca José Sharon Ryan Laura Jacob Cynthia Gary Kathleen Nicolás Amy Eric Angela
Jonathan Shirley Stephen Anna Larry Brenda Justin Pamela Scott Emma Brandon Nicole Benjamin Helen""")
STARTS = _words("b br c ch d dr f fl g gr h j k kr l m n p pr r s sh st t tr v w z")
VOWELS = _words("a e i o u ai ea ou ei")
ENDS = _words("n r l s nd rt ck m t x rn ll th sen man ton ley ford berg stein ov ska ini etti aux")
CONTEXTS = _words("""family school wartime small-town courtroom prison hospital village desert island harbour factory royal
military church theatre circus railway mountain winter summer boarding-school newspaper political scientific religious
criminal colonial suburban medieval""")
THEMES = [
    ("revenge", "vengeance"), ("murder investigation", "homicide investigation"), ("friendship",), ("betrayal",),
    ("growing up", "coming of age"), ("first love",), ("courage", "bravery"), ("racism",), ("grief", "mourning"),
    ("corruption",), ("survival",), ("identity",), ("kidnapping", "abduction"), ("ambition",), ("jealousy", "envy"),
    ("loneliness", "solitude"), ("wealth", "riches"), ("poverty",), ("marriage",), ("divorce",), ("rebellion",
    "uprising"), ("faith",), ("honour",), ("blackmail",), ("exile",), ("memory",), ("madness", "insanity"), ("escape",),
    ("suicide",), ("treason",), ("obsession",), ("adoption",), ("inheritance",), ("sacrifice",), ("gambling",),
    ("alcoholism",), ("immigration",), ("slavery",), ("espionage", "spying"), ("music",),
]  # fmt: skip
SERIES = [
    "Star Quest",
    "Night Rider",
    "Galaxy",
    "Phantom",
    "Aero",
    "Iron Crown",
    "Nova",
    "Deep Blue",
    "Vector",
    "Ranger",
]
EDITIONS = ["", "", "", "", " Pro", " Pro Max", " Mini", " Deluxe Edition", " Remastered"]
ROMAN = dict(enumerate(["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"]))
WORDS = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
UNITS = [
    ("GB", "gigabyte"), ("MB", "megabyte"), ("GHz", "ghz"), ("inch", "inches"), ("cm", "centimeter"),
    ("hour", "hours"), ("minute", "minutes"), ("W", "watt"), ("kg", "kilogram"), ("piece", "pieces"),
]  # fmt: skip
PARTS = _words("battery screen memory cable lens bag set charger light blade table lamp")
KINDS = _words("person theme setting brand series feature")
SHARES = (0.3, 0.2, 0.15, 0.1, 0.1, 0.15)
RELATION = dict(zip(KINDS, ("actor", "theme", "setting", "brand", "series", "feature"), strict=True))


@dataclass(frozen=True, slots=True)
class MadeMention:
    """One mention: `truth` numbers the value that is meant, within its kind."""

    item: str
    kind: str
    value: str
    truth: int


class _Maker:
    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def _word(self) -> str:
        syllables = self.draw.choice((1, 2, 2))
        start = "".join(self.draw.choice(STARTS) + self.draw.choice(VOWELS) for _ in range(syllables))
        return (start + self.draw.choice(ENDS)).capitalize()

    def person(self, families: list[str]) -> str:
        """Namesakes by initial are common: few family names, many given names."""
        given, family = self.draw.choice(GIVEN), self.draw.choice(families)
        middle = self.draw.choice(
            ("", "", "", f"{self.draw.choice('ABCEJLMRST')}. ", f"{self.draw.choice(GIVEN)} ")
        )
        return f"{given} {middle}{family}"

    def values(self, kind: str, count: int) -> list[str]:
        """That many different values of the kind, the most frequent first."""
        families = [self._word() for _ in range(max(20, count // 6))]
        makers: dict[str, Callable[[], str]] = {
            "person": lambda: self.person(families),
            "theme": lambda: f"{self.draw.choice(['', *CONTEXTS])} {self.draw.choice(THEMES)[0]}".strip(),
            "setting": lambda: (
                self.draw.choice(("", "", "", "North ", "South ", "New ", "Lake ")) + self._word()
            ),
            "brand": lambda: self._word() + self.draw.choice(("", "", "", f" & {self._word()}", " Labs")),
            "series": lambda: (
                f"{self._word()} {self.draw.choice(SERIES)} {self.draw.randint(1, 10)}"
                + self.draw.choice(EDITIONS)
            ),
            "feature": lambda: (
                f"{self.draw.choice((2, 4, 5, 8, 10, 12, 16, 20, 24, 32, 40, 60, 64, 128))} "
                f"{self.draw.choice(UNITS)[0]} {self.draw.choice(PARTS)}"
            ),
        }
        found: dict[str, None] = {}
        for _ in range(count * 3):
            value = makers[kind]()
            found[value] = None
            if kind == "brand" and self.draw.random() < 0.05 and len(value) > 5:
                # Another house whose name differs by one letter.
                found[value[:2] + self.draw.choice("aeiou") + value[3:]] = None
            if len(found) >= count:
                break
        return list(found)[:count]

    def wording(self, kind: str, value: str) -> str:
        """The value as some source writes it: most often as it is."""
        luck = self.draw.random()
        if luck < 0.74:
            return value
        if luck < 0.80:
            return self.draw.choice((str.lower, str.upper, str.title))(value)
        if luck < 0.84:
            return self._slip(value)
        return self._other(kind, value)

    def _slip(self, value: str) -> str:
        """One letter of one longer word left out, doubled, changed about or mistaken, wherever it stands."""
        words = value.split(" ")
        long = [at for at, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
        if not long:
            return value
        at = self.draw.choice(long)
        word = words[at]
        cut = self.draw.randrange(1, len(word))
        words[at] = self.draw.choice(
            (
                word[:cut] + word[cut + 1 :],
                word[:cut] + word[cut] + word[cut:],
                word[: cut - 1] + word[cut] + word[cut - 1] + word[cut + 1 :],
                word[:cut] + self.draw.choice("abcdefghijklmnopqrstuvwxyz") + word[cut + 1 :],
            )
        )
        return " ".join(words)

    def _other(self, kind: str, value: str) -> str:
        words = value.split(" ")
        if kind == "person":
            initials = " ".join(f"{word[0]}." for word in words[:-1])
            return self.draw.choice((f"{words[-1]}, {' '.join(words[:-1])}", f"{initials} {words[-1]}"))
        if kind == "theme":
            same = next((names for names in THEMES if value.endswith(names[0])), (value,))
            other = value.removesuffix(same[0]) + self.draw.choice(same)
            return self.draw.choice((f"the {other}", f"{other}s" if other[-1].isalpha() else other, other))
        if kind == "brand":
            return (
                value.replace(" & ", " and ")
                if " & " in value
                else self.draw.choice((f"{value}®", value.upper()))
            )
        if kind == "series":
            number = next(word for word in words if word.isdigit())
            written = self.draw.choice((ROMAN[int(number)], WORDS[int(number)].capitalize()))
            return value.replace(f" {number}", f" {written}", 1)
        if kind == "feature":
            full = next(long for short, long in UNITS if short == words[1])
            return self.draw.choice(
                (f"{words[0]}{words[1]} {words[2]}", f"{words[0]} {full} {words[2]}", f"{value}s")
            )
        return self.draw.choice((value.replace(" ", "-"), f"the {value}", value.lower()))


def made_mentions(count: int, *, seed: int = 0, values_per_mention: float = 0.25) -> Iterator[MadeMention]:
    """`count` mentions, ten an item; the r-th value of a kind is drawn in proportion to 1 / r."""
    maker = _Maker(seed)
    pools = {
        kind: maker.values(kind, max(20, int(count * share * values_per_mention)))
        for kind, share in zip(KINDS, SHARES, strict=True)
    }
    rng = np.random.default_rng(seed)
    kinds = rng.choice(len(KINDS), size=count, p=SHARES)
    ranks = {}
    for number, kind in enumerate(KINDS):
        weights = 1.0 / np.arange(1, len(pools[kind]) + 1)
        drawn = rng.choice(len(pools[kind]), size=int((kinds == number).sum()), p=weights / weights.sum())
        ranks[kind] = iter(drawn.tolist())
    for number, chosen in zip(itertools.count(), kinds.tolist(), strict=False):
        kind = KINDS[chosen]
        truth = next(ranks[kind])
        yield MadeMention(str(number // 10), kind, maker.wording(kind, pools[kind][truth]), truth)
