"""The windows of an item's text that the encoder reads, and the spans in them that can be a value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from kgbuild.encoder import CLS, SEP, pieces_of, tokenizer
from kgbuild.types import FieldName, Item

MAX_WORDS = 8
"""Words in a span at most; 99.8 % of the values of product sets are shorter."""
_MAX_PIECES = 20
_WINDOW = 240
"""Word pieces a window; the sentence encoder was trained on no more than 256."""
_CONTEXT = 48
"""Pieces of the category, and of the title where it is only context."""
_OVERLAP = 24
_ATOM = re.compile(r"\d+|[^\W\d_]+|[^\w\s]|_")
_NO_START = frozenset(",;:!?)]}|/&*.")
_NO_END = frozenset(",;:!?([{|/&*")
_BREAKS = frozenset(";!?\n")

CUT_START, CUT_END = 1, 2
"""Bits of a span's `cut`: it begins, or ends, inside a word piece, so that its pieces say more than it does."""
N_SHAPES = 14
"""Seven shapes of a piece, each at the beginning of a word and not."""


class Span(NamedTuple):
    """A candidate value: characters [start, end) of a field, and pieces [first, last] of its window."""

    field: FieldName
    start: int
    end: int
    text: str
    first: int
    last: int
    words: int
    cut: int


@dataclass(slots=True)
class Window:
    """What the encoder reads in one pass: `ids` and `shapes` have one number a word piece."""

    ids: list[int]
    shapes: list[int]
    spans: list[Span] = field(default_factory=list)


@dataclass(slots=True)
class _Pieces:
    """A text as word pieces: their ids and the characters that each covers."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    shapes: list[int]


def label_pieces(text: str) -> list[int]:
    """The ids of a label's text, with the marks around it, cut at 64 pieces."""
    return pieces_of(text, 64)


def windows_of(item: Item, cut_forms: Sequence[str] = ()) -> list[Window]:
    """The item's text as windows `[CLS] category [SEP] title [SEP] part of the description [SEP]`.

    Every character of title and description is in some window; parts overlap by a few pieces, and a span is
    offered once.

    Args:
        item: what is read.
        cut_forms: values that are also offered where they stand at the beginning of a longer word
            ("Print" in "Printed").
    """
    category = _pieces(item.category).ids[:_CONTEXT]
    title, description = _pieces(item.title), _pieces(item.description)
    head = [CLS, *category, SEP] if category else [CLS]
    parts = list(_parts(len(title.ids), _WINDOW - len(head))) or [(0, 0)]
    windows: list[Window] = []
    for first, last in parts:
        window = Window(list(head), [0] * len(head))
        _append(window, item, "title", title, first, last, cut_forms)
        windows.append(window)
    begun = 0
    if len(parts) == 1 and description.ids:
        begun = min(len(description.ids), max(0, _WINDOW - len(windows[0].ids)))
        _append(windows[0], item, "description", description, 0, begun, cut_forms)
    if begun < len(description.ids):
        context = [*head, *title.ids[:_CONTEXT], SEP]
        for first, last in _parts(len(description.ids), _WINDOW - len(context), max(0, begun - _OVERLAP)):
            window = Window(list(context), [0] * len(context))
            _append(window, item, "description", description, first, last, cut_forms)
            windows.append(window)
    seen: set[tuple[str, int, int]] = set()
    for window in windows if len(windows) > 1 or cut_forms else ():
        fresh = [span for span in window.spans if (span.field, span.start, span.end) not in seen]
        seen.update((span.field, span.start, span.end) for span in fresh)
        window.spans = fresh
    return windows


def _parts(length: int, room: int, begin: int = 0) -> Iterator[tuple[int, int]]:
    while begin < length:
        end = min(length, begin + room)
        yield begin, end
        if end == length:
            return
        begin = end - _OVERLAP


def _pieces(text: str) -> _Pieces:
    if not text.strip():
        return _Pieces([], [], [])
    encoded = tokenizer().encode(text, add_special_tokens=False)
    offsets: list[tuple[int, int]] = encoded.offsets
    return _Pieces(encoded.ids, offsets, [_shape(text, start, end) for start, end in offsets])


def _shape(text: str, start: int, end: int) -> int:
    """What the lower-cased piece no longer shows: its case, digits, and whether a word begins with it."""
    piece = text[start:end]
    if piece.isdigit():
        kind = 1
    elif piece.isalpha():
        kind = (
            2
            if piece.islower()
            else 3
            if piece.isupper() and len(piece) > 1
            else 4
            if piece[0].isupper()
            else 5
        )
    else:
        kind = 6 if any(sign.isalnum() for sign in piece) else 0
    begins = start == 0 or text[start - 1].isspace()
    return 2 * kind + int(begins)


def _append(
    window: Window,
    item: Item,
    name: FieldName,
    pieces: _Pieces,
    first: int,
    last: int,
    cut_forms: Sequence[str],
) -> None:
    """Add pieces [first, last) of a field to the window, a closing mark, and the spans among them."""
    shift = len(window.ids) - first
    text: str = getattr(item, name)
    window.ids.extend([*pieces.ids[first:last], SEP])
    window.shapes.extend([*pieces.shapes[first:last], 0])
    if first == last:
        return
    piece_at: dict[int, int] = {}
    for index in range(first, last):
        for at in range(*pieces.offsets[index]):
            piece_at[at] = index
    begin, end = pieces.offsets[first][0], pieces.offsets[last - 1][1]
    atoms = [
        _Atom.of(text, start, stop, pieces, piece_at)
        for run in _ATOM.finditer(text, begin, end)
        for start, stop in _humps(text, *run.span())
        if start in piece_at and stop - 1 in piece_at
    ]
    said = [0, *accumulate(map(str.isalnum, text))]
    new, spans = (
        tuple.__new__,
        window.spans,
    )  # a third of the time that Span(...) takes, and there are hundreds
    for number, head in enumerate(atoms):
        if head.no_start:
            continue
        words, start, most = 0, head.start, head.first + _MAX_PIECES
        for position in range(number, len(atoms)):
            _, end, _, last, _, cut_end, begins_word, breaks, _, no_end = atoms[position]
            words += begins_word or position == number
            if breaks or words > MAX_WORDS or last >= most:
                break
            if not no_end and said[end] > said[start]:
                cut = head.cut_start + cut_end
                value = text[start:end]
                spans.append(
                    new(Span, (name, start, end, value, head.first + shift, last + shift, words, cut))
                )
    window.spans.extend(_cut_spans(text, name, pieces, piece_at, shift, begin, end, cut_forms))


class _Atom(NamedTuple):
    """A run of letters, of digits, or one sign: spans begin and end where atoms do."""

    start: int
    end: int
    first: int
    last: int
    cut_start: int
    cut_end: int
    begins_word: bool
    breaks: bool
    no_start: bool
    no_end: bool

    @classmethod
    def of(cls, text: str, start: int, end: int, pieces: _Pieces, piece_at: dict[int, int]) -> _Atom:
        first, last = piece_at[start], piece_at[end - 1]
        return cls(
            start,
            end,
            first,
            last,
            CUT_START if pieces.offsets[first][0] < start else 0,
            CUT_END if pieces.offsets[last][1] > end else 0,
            start == 0 or text[start - 1].isspace(),
            text[start] in _BREAKS,
            text[start] in _NO_START,
            text[end - 1] in _NO_END,
        )


def _humps(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A run of letters, split where a small letter meets a capital ("BlackRed")."""
    for at in range(start + 1, end):
        if text[at - 1].islower() and text[at].isupper():
            yield start, at
            start = at
    yield start, end


def _cut_spans(
    text: str,
    name: FieldName,
    pieces: _Pieces,
    piece_at: dict[int, int],
    shift: int,
    begin: int,
    end: int,
    cut_forms: Sequence[str],
) -> Iterator[Span]:
    for form in cut_forms:
        at = text.find(form, begin, end)
        while at >= 0:
            after = at + len(form)
            whole_before = at == 0 or not text[at - 1].isalnum()
            inside = after < len(text) and text[after].isalpha() and text[after].islower()
            if whole_before and inside and at in piece_at and after - 1 in piece_at:
                one, two = piece_at[at], piece_at[after - 1]
                cut = CUT_END if pieces.offsets[two][1] > after else 0
                yield Span(name, at, after, form, one + shift, two + shift, form.count(" ") + 1, cut)
            at = text.find(form, at + 1, end)
