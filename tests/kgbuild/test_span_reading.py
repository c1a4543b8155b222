"""The span extractor's parts that need no training: labels, windows and spans, negation, calibration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kgbuild.extract.span.calibration import (
    Calibration,
    Reading,
    calibrate,
    expected_calibration_error,
    score,
)
from kgbuild.extract.span.examples import cut_forms_of, examples_of
from kgbuild.extract.span.labels import LabelledItem, Value, occurrences, read_labelled, relation_text
from kgbuild.extract.span.memory import Memory
from kgbuild.extract.span.negation import negated
from kgbuild.extract.span.plan import split
from kgbuild.extract.span.reading import choices
from kgbuild.extract.span.spans import Span, windows_of
from kgbuild.types import Item
from plugbase.errors import UserError


def _file(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_both_formats_are_read(tmp_path: Path) -> None:
    ours = {
        "id": 7,
        "title": "Oak desk",
        "description": "A desk of oak.",
        "facts": [{"relation": "made_of", "value": "oak", "field": "description", "start": 10, "end": 13}],
    }
    theirs = {
        "input": "ACME rod 3m",
        "category": "Rod",
        "target_scores": {"Brand": {"ACME": 1}, "Color": {"n/a": 1}},
    }
    paired = {
        "id": 9,
        "input_title": "ACME pen",
        "input_description": None,
        "target_scores": {"Ink": {"n/a": 1}},
    }
    first, second, third = read_labelled(_file(tmp_path, ours, "", theirs, paired)).items
    assert first.complete
    assert first.item == Item("7", "Oak desk", "A desk of oak.")
    assert first.facts == {"made_of": (Value("oak", (), "description", 10, 13),)}
    assert not second.complete
    assert second.item == Item("3", "ACME rod 3m", "", "Rod")
    assert second.facts == {"Brand": (Value("ACME"),), "Color": ()}
    assert third.item.title == "ACME pen"


def test_values_that_no_text_holds_are_counted_and_left_out(tmp_path: Path) -> None:
    row = {
        "input": "red pen",
        "target_scores": {"Color": {"Crimson": 1}, "Item": {"PEN": 1}, "Ink": {"n/a": 1}},
    }
    found = read_labelled(_file(tmp_path, row))
    assert found.not_verbatim == 1
    assert found.items[0].facts == {"Item": (Value("PEN"),), "Ink": ()}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "not JSON"),
        ([1], "not a JSON object but list"),
        ({"id": 1, "title": "x"}, "neither 'facts' nor 'target_scores'"),
        ({"id": 1, "title": "x", "facts": {}}, "'facts' is not a list"),
        ({"title": "x", "facts": []}, "not an item: no id"),
        ({"id": 1, "title": "x", "facts": [{"relation": "r"}]}, "a fact without 'relation' and 'value'"),
        (
            {
                "id": 1,
                "title": "abc",
                "facts": [{"relation": "r", "value": "c", "field": "title", "start": 0, "end": 1}],
            },
            "the title says 'a' there",
        ),
        (
            {
                "id": 1,
                "title": "abc",
                "facts": [{"relation": "r", "value": "c", "field": "title", "start": 2, "end": 9}],
            },
            "no place in the title",
        ),
        ({"input": "x", "target_scores": {"a": "b"}}, "does not map each attribute"),
        ({"input": " ", "target_scores": {}}, "neither 'input'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: object, said: str) -> None:
    good = {"id": "a", "title": "t", "facts": []}
    with pytest.raises(UserError) as caught:
        read_labelled(_file(tmp_path, good, row))
    assert caught.value.line == 2
    assert said in caught.value.message
    assert "labelled line is" in str(caught.value)


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the labels"):
        read_labelled(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="no labelled item"):
        read_labelled(_file(tmp_path, ""))


def test_relation_names_become_words() -> None:
    assert relation_text("made_of", "the material") == "made of: the material"
    assert relation_text("BrandName") == "Brand Name"


def test_exact_spelling_goes_before_any_case() -> None:
    item = Item("1", "Red red", "RED")
    assert occurrences(item, "red") == [("title", 4, 7)]
    assert occurrences(item, "rED") == [("title", 0, 3), ("title", 4, 7), ("description", 0, 3)]
    assert occurrences(item, "  ") == []


def _spans(item: Item, *cut_forms: str) -> list[Span]:
    return [span for window in windows_of(item, cut_forms) for span in window.spans]


def test_spans_are_verbatim_and_each_is_offered_once() -> None:
    words = " ".join(f"wörd{number}, 12mm “x{number}y” déjà\u0301-vu" for number in range(150))
    item = Item("1", "BlackRed 40mm ﬁsh – 日本 rod", words, "Fishing 🎣")
    spans = _spans(item)
    for span in spans:
        assert getattr(item, span.field)[span.start : span.end] == span.text
    places = [(span.field, span.start, span.end) for span in spans]
    assert len(places) == len(set(places))
    assert {"Black", "BlackRed", "40mm", "40", "mm", "rod", "wörd149", "12mm"} <= {
        span.text for span in spans
    }
    assert len(windows_of(item)) > 3
    assert all(len(window.ids) <= 256 and window.ids[0] == 101 for window in windows_of(item))
    assert len(spans) < 60 * len(words.split())


def test_every_word_of_a_long_title_and_description_can_be_a_value() -> None:
    item = Item("1", " ".join(f"t{n}" for n in range(300)), " ".join(f"d{n}" for n in range(700)), "c")
    texts = {span.text for span in _spans(item)}
    assert {f"t{n}" for n in range(300)} | {f"d{n}" for n in range(700)} <= texts


def test_odd_texts_give_no_span_and_no_error() -> None:
    for title in ("", "   ", "...", "\x00", "\n\n"):
        assert _spans(Item("1", title, "a" if not title.strip() else "")) is not None
    assert _spans(Item("1", "!!!")) == []


def test_values_inside_words_are_offered_where_labels_show_them() -> None:
    entries = [
        LabelledItem(Item(str(n), f"{word} shirt"), {"Pattern": (Value("Print"),)}, False)
        for n, word in enumerate(["Printed", "Printing"])
    ]
    assert cut_forms_of(entries) == ("Print",)
    assert "Print" not in {span.text for span in _spans(Item("1", "Printed shirt"))}
    (cut,) = [span for span in _spans(Item("1", "Printed shirt"), "Print") if span.text == "Print"]
    assert (cut.start, cut.end) == (0, 5)


def test_examples_mark_right_spans_and_spare_other_values() -> None:
    item = Item("1", "Oak and steel desk")
    entry = LabelledItem(item, {"made_of": (Value("Oak"), Value("steel")), "colour": ()}, True)
    names = ["made_of", "colour", "use"]
    (example,) = examples_of(entry, windows_of(item), names, names, Memory(), 0.0)
    oak, steel, colour, use = example.cases
    texts = [span.text for span in example.window.spans]
    assert [texts[at] for at in oak.right] == ["Oak"]
    assert [texts[at] for at in oak.others] == ["steel"]
    assert [texts[at] for at in steel.right] == ["steel"]
    assert colour.right == use.right == ()
    assert colour.weight == use.weight == 1.0
    unlabelled = LabelledItem(item, {"made_of": (Value("Oak"),)}, False)
    (example,) = examples_of(unlabelled, windows_of(item), names[::2], names[::2], Memory(), 0.25)
    assert [case.weight for case in example.cases] == [1.0, 0.25]


def test_memory_counts_values_of_other_items_only() -> None:
    entries = [
        LabelledItem(Item("1", "Oak desk"), {"made_of": (Value("Oak"),)}, False),
        LabelledItem(Item("2", "oak chair"), {"made_of": (Value("oak"),)}, False),
        LabelledItem(Item("3", "Oak Street map"), {"made_of": (), "use": (Value("map"),)}, False),
    ]
    texts = [windows_of(entry.item) for entry in entries]
    memory = Memory.of(list(zip(entries, texts, strict=True)), ["made_of", "use"])
    assert memory.values == {"oak": {0: (2, 3)}, "map": {1: (1, 1)}}
    assert Memory.from_json(memory.as_json(["made_of", "use"]), ["made_of", "use"]) == memory
    (window,) = texts[0]
    known, other = memory.signs(window, [0, 1], {0: frozenset({"oak"})})
    assert window.spans[known[0]].text == "Oak"
    assert known[2] == pytest.approx((1.0, np.log(2) / 2, 1.5 / 3, 0.0))
    assert other[1:] == (1, (0.0, 0.0, 0.0, 1.0))
    (window,) = texts[2]
    assert not [sign for sign in memory.signs(window, [1], {1: frozenset({"map"})}) if sign[2][0]]


@pytest.mark.parametrize(
    ("text", "value", "denied"),
    [
        ("It is not waterproof.", "waterproof", True),
        ("A case that isn't fully waterproof", "waterproof", True),
        ("sold without a charger", "charger", True),
        ("BPA-free bottle", "BPA", True),
        ("BPA-free bottle", "BPA-free", False),
        ("free of added sugar", "sugar", True),
        ("no batteries", "batteries", True),
        ("not only waterproof but light", "waterproof", False),
        ("not heavy, waterproof", "waterproof", False),
        ("non-stick pan", "stick", True),
        ("non-stick pan", "non-stick", False),
        ("A knot of rope", "rope", False),
        ("free shipping, oak", "oak", False),
        ("Nothing. Oak", "Oak", False),
    ],
)
def test_negation(text: str, value: str, denied: bool) -> None:
    start = text.index(value)
    assert negated(text, start, start + len(value)) is denied


def _span(text: str, start: int) -> Span:
    return Span("title", start, start + len(text), text, 0, 0, 1, 0)


def test_one_value_sums_equal_texts_and_several_keeps_spans_apart() -> None:
    spans = [_span("red", 0), _span("blue", 4), _span("red", 9), _span("blue pen", 4)]
    margins = np.array([1.0, 1.2, 1.0, 0.5], np.float32)
    best = choices(spans, margins, several=False)
    assert [choice.span.text for choice in best] == ["red", "blue", "blue pen"]
    total = 2 * np.exp(1.0) + np.exp(1.2) + np.exp(0.5) + 1
    assert best[0].logit == pytest.approx(np.log(2 * np.e / (total - 2 * np.e)), abs=1e-5)
    assert best[0].over == pytest.approx(np.log(2 * np.e), abs=1e-5)
    assert [choice.span.text for choice in choices(spans, margins, several=True)] == ["blue", "red"]
    assert choices([], np.zeros(0, np.float32), several=True) == []


def _reading(margin: float, facts: dict[str, tuple[Value, ...]], complete: bool = False) -> Reading:
    item = Item("1", "red blue")
    margins = {"colour": np.array([margin, -9.0], np.float32), "size": np.array([-9.0, margin], np.float32)}
    return Reading(LabelledItem(item, facts, complete), [_span("red", 0), _span("blue", 4)], margins)


def test_scores_count_as_extractgpt_does() -> None:
    right = _reading(3.0, {"colour": (Value("red"),)})
    counted = score([right], several=False)
    assert (counted.right, counted.wrong, counted.missed, counted.unasked) == (1, 0, 0, 1)
    assert counted.f1 == 1.0
    assert counted.strict_f1 == pytest.approx(2 / 3)
    absent = score([_reading(-3.0, {"colour": (), "size": (Value("blue"),)})], several=False)
    assert (absent.right, absent.wrong, absent.missed) == (0, 0, 1)
    complete = score([_reading(3.0, {"colour": (Value("red"),)}, complete=True)], several=True)
    assert (complete.right, complete.wrong, complete.unasked) == (1, 1, 0)


def test_calibration_makes_confidences_frequencies() -> None:
    rng = np.random.default_rng(0)
    readings = []
    for margin in rng.normal(1.5, 1.0, 1500):
        true = rng.random() < 1 / (1 + np.exp(-(0.5 * margin - 0.5)))
        readings.append(_reading(float(margin), {"colour": (Value("red" if true else "blue"),)}, False))
    found = calibrate(readings, several=True)
    assert found.slope == pytest.approx(0.5, abs=0.15)
    raw, fitted = [], []
    outcomes = []
    for reading in readings:
        (choice, *_) = reading.answers(True, found.bias)["colour"]
        if choice.over > 0:
            raw.append(Calibration().probability(choice.logit))
            fitted.append(found.probability(choice.logit))
            outcomes.append(float(choice.span.text == reading.entry.facts["colour"][0].text))
    before = expected_calibration_error(np.array(raw), np.array(outcomes))
    after = expected_calibration_error(np.array(fitted), np.array(outcomes))
    assert after < 0.05 < before


@pytest.mark.parametrize("told", [30.0, 60.0])
def test_confidences_of_an_extractor_that_is_far_too_sure_are_frequencies_too(told: float) -> None:
    rng = np.random.default_rng(0)
    readings = [
        _reading(float(margin), {"colour": (Value("red" if rng.random() < 0.4 else "blue"),)}, False)
        for margin in rng.normal(told, 8.0, 400)
    ]
    found = calibrate(readings, several=True)
    sure = [found.probability(reading.answers(True, found.bias)["colour"][0].logit) for reading in readings]
    right = np.mean([reading.entry.facts["colour"][0].text == "red" for reading in readings])
    assert np.mean(sure) == pytest.approx(right, abs=0.05)


def test_of_biases_that_will_do_the_best_f1_or_the_smallest_is_taken() -> None:
    def unsure(complete: bool) -> list[Reading]:
        item, spans = Item("1", "red blue"), [_span("red", 0), _span("blue", 4)]
        said = [("red", 4.0)] * 40 + [("red", -0.6)] * 2 + [("blue", 4.0)] * 8
        return [
            Reading(
                LabelledItem(item, {"colour": (Value(gold),)}, complete),
                spans,
                {"colour": np.array([margin, -9.0], np.float32)},
            )
            for gold, margin in said
        ]

    assert calibrate(unsure(complete=False), several=False).bias == -0.75
    assert calibrate(unsure(complete=True), several=False).bias == 0.0


def test_each_part_holds_out_other_items() -> None:
    entries = [LabelledItem(Item(str(n), f"desk {n}"), {}, True) for n in range(50)]
    parts = [split(entries, 0.1, part) for part in range(3)]
    held = [{entry.item.id for entry in held_out} for _, held_out in parts]
    assert [len(ids) for ids in held] == [5, 5, 5]
    assert len(set.union(*held)) == 15
    for kept, held_out in parts:
        assert sorted([*kept, *held_out], key=lambda entry: int(entry.item.id)) == entries


def test_calibration_error_by_hand() -> None:
    error = expected_calibration_error(np.array([0.95, 0.95, 0.15, 0.15]), np.array([1.0, 0.0, 0.0, 0.0]))
    assert error == pytest.approx((0.45 * 2 + 0.15 * 2) / 4)
    assert expected_calibration_error(np.zeros(0), np.zeros(0)) == 0.0
