"""Texts that are read together: what the encoder makes of one does not depend on those beside it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from kgbuild.encoder import HIDDEN, layout, packed
from kgbuild.encoder.packed import PIECES, passes, unit_vectors
from kgbuild.extract.local import meaning
from kgbuild.extract.span.margins import make_ready
from kgbuild.extract.span.memory import Known
from kgbuild.extract.span.network import SpanNetwork, batch_of, sentence_encoder
from kgbuild.extract.span.reading import margins_of
from kgbuild.extract.span.spans import Window, label_pieces, windows_of
from kgbuild.types import Item

WORDS = ["oak", "kettle", "for two", "XL-7", "unhurried", "Bergen", "2 m", "thermoplastics"]
ITEMS = [
    Item("1", "Ra"),
    Item("2", " ".join(WORDS), "", "Kettles"),
    Item("3", "?!"),
    Item("4", "Desk", "A desk of oak, made in Bergen. " * 60, "Furniture"),
    *(Item(f"5-{n}", " ".join(WORDS[n % 8 :] * (n % 5 + 1))) for n in range(40)),
]


@pytest.fixture(scope="module")
def network() -> SpanNetwork:
    torch.manual_seed(0)
    made = SpanNetwork(adapter_rank=4).eval()
    for weight in (made.memory.weight, made.shape.weight, made.cut.weight):
        torch.nn.init.normal_(weight)
    return made


@pytest.fixture(scope="module")
def ready(network: SpanNetwork) -> SpanNetwork:
    """The same network as it is read with: adapters merged, weights laid out."""
    made = copy.deepcopy(network)
    make_ready(made)
    return made


def _told(windows: list[Window]) -> list[list[Known]]:
    return [
        [(at, at % 3, (1.0, 0.5, 0.25, 0.0)) for at in range(0, len(window.spans), 2)] for window in windows
    ]


def test_each_item_has_the_bits_that_it_has_alone(ready: SpanNetwork) -> None:
    labels = torch.randn(3, HIDDEN)
    texts = [windows_of(item) for item in ITEMS]
    known = [_told(windows) for windows in texts]
    assert sum(len(window.ids) for windows in texts for window in windows) > 2 * PIECES
    together = list(margins_of(ready, texts, known, labels))
    for windows, told, found in zip(texts, known, together, strict=True):
        (alone,) = margins_of(ready, [windows], [told], labels)
        assert found.shape == (sum(len(window.spans) for window in windows), 3)
        np.testing.assert_array_equal(found, alone)
    assert [len(rows) for rows in margins_of(ready, [[], texts[0]], [[], known[0]], labels)] == [0, 1]


def test_reading_gives_what_the_network_was_trained_to_give(network: SpanNetwork, ready: SpanNetwork) -> None:
    labels = torch.randn(3, HIDDEN)
    for item in ITEMS[:6]:
        windows = windows_of(item)
        known = _told(windows)
        with torch.inference_mode():
            scores, absent = network(batch_of(windows, known), labels)
        rows = [(scores[at, : len(window.spans)] - absent[at]).numpy() for at, window in enumerate(windows)]
        for read in (network, ready):
            (found,) = margins_of(read, [windows], [known], labels)
            np.testing.assert_allclose(found, np.concatenate(rows), atol=2e-4)


@pytest.mark.parametrize("apart", [True, False])
def test_a_pass_holds_as_many_texts_as_its_pieces_allow(apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "rows_are_apart", lambda: apart)
    sizes = [10, PIECES - 10, 1, PIECES + 1, 5, 5]
    parts = [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 6)]
    assert list(passes(sizes)) == (parts if apart else [slice(at, at + 1) for at in range(6)])
    assert list(passes([])) == []


def test_without_the_library_s_layout_the_maps_stay_as_they_are(
    network: SpanNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_offered", lambda: False)
    made = copy.deepcopy(network)
    make_ready(made)
    kinds = {
        type(map).__name__ for map in made.encoder.encoder.layer.modules() if hasattr(map, "in_features")
    }
    assert kinds == {"_Linear"}, "as the encoder has them"
    pieces = [label_pieces("oak")]
    torch.testing.assert_close(unit_vectors(made.encoder, pieces), unit_vectors(network.encoder, pieces))


def test_an_encoder_that_shares_layers_gives_the_same_vectors(network: SpanNetwork) -> None:
    pieces = [label_pieces(text) for text in ("oak", "a kettle for two", "unhurried")]
    own, shared = sentence_encoder(), sentence_encoder(network)
    vectors = unit_vectors(own, pieces)
    assert torch.equal(vectors, unit_vectors(shared, pieces))
    assert torch.equal(vectors[1:2], unit_vectors(own, pieces[1:2]))
    assert vectors.norm(dim=1).numpy() == pytest.approx(1.0, abs=1e-5)


def test_answers_that_are_long_past_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    from kgbuild.extract.local.lexicon import Lexicon

    words = {
        "character.nouns": frozenset({"detective", "soldier", "widow", "nurse"}),
        "setting.strong": frozenset({"village", "island", "harbour", "castle"}),
        "absent": frozenset({"idea", "reason", "change", "matter"}),
    }
    monkeypatch.setattr(meaning, "_REMEMBERED", 2)
    typed = meaning.Meaning(Lexicon(words, {}, ""), sentence_encoder)
    for word in ("policeman", "town", "fishing village"):
        assert typed.noun(word) == ("absent", 0.0)
    assert typed.unanswered == 3
    typed.answer()
    assert [typed.noun(word)[0] for word in ("town", "fishing village")] == ["place", "place"]
    assert typed.unanswered == 3
    typed.noun("policeman")
    assert typed.unanswered == 4
    typed.answer()
    assert typed.noun("Policeman")[0] == "person"
