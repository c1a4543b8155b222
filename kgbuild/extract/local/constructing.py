"""Every construction over the parsed texts of a few items; what they ask of meaning is answered together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from kgbuild.extract.local.reading import Candidate, Reading
from kgbuild.extract.local.weighing import Constructed

if TYPE_CHECKING:
    from kgbuild.extract.local.meaning import Meaning

Construction = Callable[[Reading], Iterator[Candidate]]


def construct(texts: Sequence[Sequence[Reading]], meaning: Meaning) -> list[list[Constructed]]:
    """For each item, by its readings: every fact that some construction reads, for the domain of the item.

    A construction that asks for the meaning of words that were not met yet is run again once they are known.
    """
    runs = [
        (at, reading, construction)
        for at, readings in enumerate(texts)
        for reading in readings
        for construction in constructions_of(reading)
    ]
    found: dict[int, list[Candidate]] = {}
    waiting = list(range(len(runs)))
    while waiting:
        asking = []
        for number in waiting:
            _, reading, construction = runs[number]
            unknown = meaning.unanswered
            found[number] = list(construction(reading))
            if meaning.unanswered > unknown:
                asking.append(number)
        meaning.answer()
        waiting = asking
    read: list[list[Constructed]] = [[] for _ in texts]
    for number, (at, reading, _) in enumerate(runs):
        read[at].extend(_constructed(reading, one) for one in found[number])
    return read


def constructions_of(reading: Reading) -> Iterator[Construction]:
    """What is looked for in a text of its domain."""
    from kgbuild.extract.local import goods, offers, people, places, series, sources, themes, times

    story, title = reading.domain != "product", reading.field == "title"
    if story and not title:
        yield from (themes.theme, places.setting, times.period, themes.mood, people.character)
    if story:
        yield sources.sources
    yield series.awards
    if not title:
        yield series.series
    if reading.domain != "work":
        yield from (goods.features, offers.compatibility, goods.materials)
    yield offers.purposes


def _constructed(reading: Reading, found: Candidate) -> Constructed:
    span = reading.doc[found.start : found.end]
    return Constructed(
        found.relation,
        reading.field,
        span.start_char,
        span.end_char,
        found.value,
        found.confidence,
        found.pattern,
    )
