"""Ids, relations and values become IRIs: one to one, readable where possible, and safe in any RDF syntax."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from plugbase.errors import UserError

DEFAULT_BASE = "urn:kgbuild:"
NAMESPACES: Mapping[str, str] = {
    "item": "item:",
    "rel": "rel:",
    "val": "value:",
    "kgb": "vocab:",
    "ev": "evidence:",
}
"""Prefix in graph.ttl -> what follows the base in its IRI."""
_SLUG_LENGTH = 60
_HASH_LENGTH = 12
_WORDS = re.compile(r"[^\W_]+")
_WORDS_ALONE = re.compile(r"[^\W_]+(?:[ -][^\W_]+)*")
_PLAIN = re.compile("[A-Za-z0-9_]+")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f-\x9f<>\"{}|^`\\\ud800-\udfff]*[/#:]")


def check_base(base: str) -> str:
    """The base, if it is an absolute IRI that names can be put behind.

    Raises:
        UserError: it is not.
    """
    if not _IRI.fullmatch(base):
        raise UserError(
            f"{base!r} cannot be the base of names",
            mend="give an absolute IRI that ends in '/', '#' or ':', such as https://example.org/kg/",
        )
    return base


def name_slug(name: str) -> str:
    """An id, relation or range as the end of a prefixed name: all but A-Z a-z 0-9 _ . - is percent-encoded.

    One to one, up to lone surrogates, which are no text and become U+FFFD. Dots and hyphens are encoded where
    Turtle does not allow them: a dot at either end, a hyphen in front.
    """
    if _PLAIN.fullmatch(name):
        return name
    slug = quote(whole_text(name), safe="").replace("~", "%7E")
    if slug[:1] in (".", "-"):
        slug = f"%{ord(slug[0]):02X}{slug[1:]}"
    return f"{slug[:-1]}%2E" if slug.endswith(".") else slug


def whole_text(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD, so that it can be encoded."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def label_slug(label: str) -> tuple[str, bool]:
    """The readable slug of a value's label, and whether it says all of the label but case and "-" for " ".

    "John Lasseter" -> ("john-lasseter", True); "J. Lasseter" -> ("j-lasseter", False).
    """
    text = "-".join(_WORDS.findall(label)).lower()
    faithful = len(text) <= _SLUG_LENGTH and _WORDS_ALONE.fullmatch(label) is not None
    slug = text[:_SLUG_LENGTH].rstrip("-")
    return slug if slug.isascii() else quote(slug, safe=""), faithful


@dataclass(frozen=True)
class ValueNames:
    """The end of the prefixed name of every value, by (range, label)."""

    names: Mapping[tuple[str, str], str]

    @classmethod
    def of(
        cls, values: Iterable[tuple[str, str]], kept: Mapping[tuple[str, str], str] | None = None
    ) -> ValueNames:
        """Names for all values of a graph, whatever order they come in.

        A value's name depends on its range and label alone: a slug that does not say all of the label is
        followed by a hash of the label. Only where labels differ in nothing but case or hyphens, which
        resolution normally merges, does the first in code point order keep the plain slug while the others
        get a hash.

        Args:
            values: (range, label) of each.
            kept: names that some of the values have already and keep, whatever their label.
        """
        values = set(values)
        names = {value: name for value, name in (kept or {}).items() if value in values}
        taken, scopes = set(names.values()), dict[str, str]()
        for scope, label in sorted(values.difference(names)):
            slug, faithful = label_slug(label if label.isascii() else whole_text(label))
            if scope not in scopes:
                scopes[scope] = name_slug(scope)
            name = plain = f"{scopes[scope]}:{slug}"
            if not faithful or name in taken:
                digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()
                name = f"{plain}_{digest[:_HASH_LENGTH]}"
                # Only a kept name can be the hash of another label.
                name = f"{plain}_{digest}" if name in taken else name
            taken.add(name)
            names[scope, label] = name
        return cls(names)

    def __getitem__(self, value: tuple[str, str]) -> str:
        return self.names[value]
