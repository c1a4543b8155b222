"""Reads graph.ttl back into what it was written from: relations, values, and items with their facts, one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from kgbuild.read.blocks import Unusual, parse_item, parse_labelled
from kgbuild.read.evidence import EvidenceFile
from kgbuild.read.rdf import about_items, open_bytes, parse_blocks, read_any
from kgbuild.types import Fact, Item
from kgbuild.write.iris import NAMESPACES, ValueNames, name_slug
from kgbuild.write.turtle import header
from plugbase.errors import UserError

__all__ = ["GraphFile", "read_graph"]

_CHUNK = 1 << 22
_BASE = re.compile(r"^@prefix item: <(.*)item:> \.$", re.MULTILINE)
_BLOCK = r"(?:%s:\S+ a %s(?: ;\n(?:    [^\n]+ ;\n)*    [^\n]+)? \.\n\n)"
_SECTIONS = (
    re.compile((_BLOCK % ("rel", "rdf:Property") + "*").encode()),
    re.compile((f"(?:{_BLOCK % ('item', 'kgb:Item')}|{_BLOCK % ('ev', 'rdf:Statement')})*").encode()),
    re.compile((_BLOCK % ("val", "kgb:Value") + "*").encode()),
)
"""What a graph of kgbuild consists of, in this order; a file laid out otherwise goes through an RDF parser."""


@dataclass(frozen=True)
class GraphFile:
    """A graph on disk. `relations` and `values` are held in memory; items stay in the file until asked for.

    Args:
        base: what its IRIs begin with.
        relations: label of each relation -> its other wordings, sorted.
        values: (range, label) of each value -> its other labels, sorted.
        names: (range, label) of each value -> the end of its prefixed name, `person:john-lasseter`.
        evidence: the evidence file beside the graph; None where there is none.
    """

    path: Path
    base: str
    relations: Mapping[str, list[str]]
    values: Mapping[tuple[str, str], list[str]]
    names: ValueNames
    evidence: Path | None
    _source: _Layout | list[tuple[Item, list[Fact]]] = field(repr=False)

    def items(self, *, evidence: bool = True) -> Iterator[tuple[Item, list[Fact]]]:
        """Every item, in the order of the file (kgbuild writes them by id), with its facts.

        The item has its id, title and description; what the catalogue knew of it is among its facts. A fact's
        mention is its evidence, from the graph or from the file beside it; a fact without evidence counts
        as stated by the catalogue. The range of a number or a date is its relation.

        Args:
            evidence: False leaves the evidence file unread.

        Raises:
            UserError: a block or an evidence record is broken, with its line.
        """
        found = self._source.items(self) if isinstance(self._source, _Layout) else iter(self._source)
        if evidence and self.evidence is not None:
            return EvidenceFile(self.evidence).join(found)
        return found

    def item_iri(self, identifier: str) -> str:
        """The IRI of the item of that id."""
        return f"{self.base}{NAMESPACES['item']}{name_slug(identifier)}"

    def relation_iri(self, label: str) -> str:
        """The IRI of the relation of that label."""
        return f"{self.base}{NAMESPACES['rel']}{name_slug(label)}"

    def value_iri(self, value: tuple[str, str]) -> str:
        """The IRI of the value of that range and label.

        Raises:
            KeyError: the graph has no such value.
        """
        return f"{self.base}{NAMESPACES['val']}{self.names[value]}"


def read_graph(path: str | Path) -> GraphFile:
    """Open a graph that `kgbuild` wrote, under whatever --base; `.ttl`, `.nt`, either also with `.gz`.

    Its items can then be streamed. A file that another tool has written anew is read too, by an RDF
    parser, more slowly, and held in memory as a whole.

    Raises:
        UserError: no such file, not RDF (with the line), or no graph of kgbuild.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("there is no such graph", file=str(path), mend="`kgbuild extract` writes it")
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    evidence = path.with_name(f"{stem}.evidence.jsonl")
    beside = evidence if evidence.is_file() else None
    try:
        layout = _Layout.of(path)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read: {error}", file=str(path)) from error
    if layout is not None:
        return layout.open(beside)
    found = read_any(path)
    return GraphFile(
        path, found.base, found.relations, found.values, ValueNames(found.names), beside, found.items
    )


@dataclass(frozen=True)
class _Layout:
    """Where the sections of a graph lie that is laid out just as kgbuild writes it, in bytes and in lines."""

    path: Path
    head: str
    base: str
    starts: tuple[int, ...]
    lines: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> _Layout | None:
        """The layout; None where the file is not laid out so."""
        with open_bytes(path) as stream:
            head = b"".join(iter(stream.readline, b"\n")) if stream.read(1) == b"@" else b""
            text = "@" + head.decode(errors="replace")
            base = _BASE.search(text)
            if not base or text not in [header(base[1], inline_evidence=inline) for inline in (False, True)]:
                return None
            starts, lines = [len(text.encode()) + 1], [text.count("\n") + 2]
            section, at, line, rest = 0, starts[0], lines[0], b""
            while chunk := stream.read(_CHUNK):
                rest += chunk
                end = rest.rfind(b"\n\n") + 2
                position = 0
                while end > 1 and position < end:
                    found = _SECTIONS[section].match(rest, position, end)
                    assert found is not None
                    line += rest.count(b"\n", position, found.end())
                    position = found.end()
                    if position < end:
                        section += 1
                        if section == len(_SECTIONS):
                            return None
                        starts.append(at + position)
                        lines.append(line)
                at += position
                rest = rest[position:]
        if rest:
            return None
        starts += [at] * (4 - len(starts))
        lines += [line] * (3 - len(lines))
        return cls(path, text, base[1], tuple(starts), tuple(lines))

    def open(self, evidence: Path | None) -> GraphFile:
        """The graph, its relations and values read."""
        relations: dict[str, list[str]] = {}
        values: dict[tuple[str, str], list[str]] = {}
        names: dict[tuple[str, str], str] = {}
        for _, label, others in self._labelled(0):
            relations[label] = others
        ranges: dict[str, str] = {}
        for name, label, others in self._labelled(2):
            scope = name.partition(":")[0]
            value = ranges.setdefault(scope, unquote(scope)), label
            values[value], names[value] = others, name
        return GraphFile(self.path, self.base, relations, values, ValueNames(names), evidence, self)

    def items(self, graph: GraphFile) -> Iterator[tuple[Item, list[Fact]]]:
        """The items, each with its facts and the evidence that the graph itself has."""
        values = {name: value for value, name in graph.names.names.items()}
        relations = {name_slug(label): label for label in graph.relations}
        for line, group in self._groups():
            try:
                yield parse_item(group, relations, values)
            except (Unusual, ValueError, TypeError):
                about = parse_blocks(self.head, group, self.path, line)
                yield next(about_items(about, self.base, relations, values))

    def _groups(self) -> Iterator[tuple[int, list[str]]]:
        """(line, the block of an item and those of the statements about it)."""
        first, group = 0, list[str]()
        for line, block in self._blocks(1):
            if group and block.startswith("item:"):
                yield first, group
                group = []
            first = first if group else line
            group.append(block)
        if group:
            yield first, group

    def _labelled(self, section: int) -> Iterator[tuple[str, str, list[str]]]:
        """(end of the name, label, other labels) of every relation or value."""
        for line, block in self._blocks(section):
            try:
                yield parse_labelled(block)
            except (Unusual, ValueError):
                (about,) = parse_blocks(self.head, [block], self.path, line).values()
                yield block.partition(" ")[0].partition(":")[2], *about.labelled()

    def _blocks(self, section: int) -> Iterator[tuple[int, str]]:
        """(line, text without its full stop) of each block of a section."""
        line, left = self.lines[section], self.starts[section + 1] - self.starts[section]
        with open_bytes(self.path) as stream:
            stream.seek(self.starts[section])
            rest = b""
            while left:
                chunk = stream.read(min(_CHUNK, left))
                if not chunk:
                    raise UserError("the graph was changed while it was read", file=str(self.path))
                left -= len(chunk)
                *blocks, rest = (rest + chunk).split(b" .\n\n")
                for block in blocks:
                    try:
                        yield line, block.decode()
                    except UnicodeDecodeError as error:
                        raise UserError("is not UTF-8 text", file=str(self.path), line=line) from error
                    line += block.count(b"\n") + 2
