"""Turtle, term by term: prefixed names, escaped text, typed literals, and one subject with its predicates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date

from kgbuild.types import Scalar
from kgbuild.write.iris import NAMESPACES, whole_text

VOCABULARIES: Mapping[str, str] = {
    "dcterms": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Besides what Turtle asks for: control characters, line and paragraph separators, marks that turn the
# direction of writing round (the file would read other than it is), and code points that are no characters.
_TO_ESCAPE = re.compile(
    '["\\\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff]'
)


def header(base: str, *, inline_evidence: bool = False) -> str:
    """The @prefix lines, sorted by prefix."""
    own = {prefix: base + end for prefix, end in NAMESPACES.items() if prefix != "ev" or inline_evidence}
    prefixes = sorted({**VOCABULARIES, **own}.items())
    return "".join(f"@prefix {prefix}: <{iri}> .\n" for prefix, iri in prefixes)


def text_literal(text: str) -> str:
    """The text in double quotes, so escaped that nothing in it can end it."""
    if not text.isascii():
        text = whole_text(text)
    return f'"{_TO_ESCAPE.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _ESCAPES.get(character) or f"\\u{ord(character):04X}"


def literal(value: Scalar) -> str:
    """A value as a literal of its type: xsd:integer, xsd:decimal (xsd:double with exponent), xsd:date, text.

    Raises:
        ValueError: the number is not finite.
    """
    if isinstance(value, bool):
        return text_literal("true" if value else "false")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        written = repr(value)
        if written in ("nan", "inf", "-inf"):
            raise ValueError(f"{written} has no place in a graph")
        return f'"{written}"^^xsd:double' if "e" in written else written
    if isinstance(value, date):
        return f'"{value.isoformat()}"^^xsd:date'
    return text_literal(value)


def subject_block(subject: str, predicates: Iterable[tuple[str, Iterable[str]]]) -> str:
    """One subject with its predicates in the order given, and the blank line after it."""
    body = " ;\n    ".join([f"{predicate} {' , '.join(objects)}" for predicate, objects in predicates])
    return f"{subject} {body} .\n\n"
