"""The verdict: one paragraph in plain words, every one of them resting on a number of the report."""

from __future__ import annotations

from kgbuild.report.numbers import Numbers

GOOD, FAIR = 0.9, 0.6
"""Shares of items that are tied to another from which a graph is called of use, and of some use."""
_UNSURE = 0.6


def verdict(numbers: Numbers) -> str:
    """The paragraph. Where interactions are known it judges by the cold items, else by all of them."""
    if numbers["items"] < 2 or not numbers["facts"]:
        return "There is nothing to judge: a graph needs at least two items and a fact."
    return " ".join(
        sentence
        for sentence in (
            _judgement(numbers),
            _text(numbers),
            _weak(numbers),
            _merges(numbers),
            "Being tied is needed, not enough: `coldplug evaluate` measures whether it pays.",
        )
        if sentence
    )


def _judgement(numbers: Numbers) -> str:
    whole, limit = numbers["tied"][0], numbers["hub_above"]
    said = (
        f"{whole['items']:,} of {numbers['items']:,} items ({percent(whole['share'])}) share a value with "
        f"another, not counting values on more than {limit:,} items"
    )
    share = whole["share"]
    if numbers["cold_items"]:
        share = whole["cold_to_warm_share"]
        said += (
            f"; of the {numbers['cold_items']:,} items without an interaction "
            f"{whole['cold_to_warm_items']:,} ({percent(share)}) share one with an item that has some"
        )
    elif numbers["cold_items"] == 0:
        said += "; every item has an interaction already"
    use = "of use" if share >= GOOD else "of some use" if share >= FAIR else "of little use"
    mean = numbers["facts_an_item"]["mean"]
    return f"This graph should be {use} to a recommender: {said}. An item has {mean:.1f} facts on average."


def _text(numbers: Numbers) -> str:
    views = {view["facts"]: view for view in numbers["tied"]}
    if "catalogue alone" not in views:
        return (
            "All its facts come from the catalogue; none was read out of a text."
            if not numbers["facts_from_text"]
            else ""
        )
    whole, alone = views["whole graph"]["items"], views["catalogue alone"]["items"]
    if whole > alone:
        return (
            f"With the catalogue's facts alone {alone:,} would be tied; the texts tie {whole - alone:,} more."
        )
    return "The texts tie no item that the catalogue's facts do not tie already."


def _weak(numbers: Numbers) -> str:
    weak = []
    values = numbers["values"]
    if values and numbers["values_on_one_item"] / values > 0.5:
        share = percent(numbers["values_on_one_item"] / values)
        weak.append(f"{share} of the values are on one item only and tie nothing")
    largest = numbers["by_relation"][0]
    if largest["share"] > 0.4:
        weak.append(f"{percent(largest['share'])} of the facts are of one relation, {largest['relation']!r}")
    idle = [row["relation"] for row in numbers["by_relation"] if row["part"] == "head" and _idle(row)]
    if idle:
        names = " and ".join(f"{name!r}" for name in idle[:3])
        weak.append(f"{names}, among the largest relations, mostly put items under hubs")
    bins = numbers["certainty"]["bins"]
    unsure = sum(row["facts"] for row in bins if row["to"] <= _UNSURE)
    read = sum(row["facts"] for row in bins)
    if read and unsure / read > 0.25:
        weak.append(f"{percent(unsure / read)} of the facts from the texts have a confidence below {_UNSURE}")
    return f"Its weak sides: {'; '.join(weak)}." if weak else ""


def _idle(row: Numbers) -> bool:
    return bool(row["facts_on_hubs"] > 0.8 * row["facts"])


def _merges(numbers: Numbers) -> str:
    merges = numbers["merges"]
    if not merges["across_numbers"]:
        return ""
    joined = "merge joins" if merges["across_numbers"] == 1 else "merges join"
    return f"{merges['across_numbers']:,} {joined} labels with different numbers: look at these first."


def percent(share: float | None) -> str:
    """A share as people read it: whole per cent, never 0 % for some or 100 % for not quite all."""
    if share is None:
        return "–"
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"
