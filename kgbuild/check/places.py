"""Lines: where in the text of a graph a subject, and one of its predicates, is written."""

from __future__ import annotations

import re
from pathlib import Path

from kgbuild.check.problems import Problems
from kgbuild.read.rdf import open_bytes

_PREFIX = re.compile(r"@?prefix\s+(\S*):\s*<([^>]*)>", re.IGNORECASE)


def place(path: Path, problems: Problems) -> None:
    """Give every problem that names a subject its line, in one pass over the file.

    A subject is found where a line begins with it, as kgbuild, rdflib and N-Triples write it; its predicate
    on that line or a later one of the block. A problem of which neither is found has no line.
    """
    wanted: dict[str, set[str | None]] = {}
    for each in problems.found:
        if each.subject is not None and each.line is None:
            wanted.setdefault(each.subject, set()).add(each.predicate)
    if not wanted:
        return
    lines: dict[tuple[str, str | None], int] = {}
    prefixes: list[tuple[str, str]] = []
    subjects: dict[str, str] = {f"<{iri}>": iri for iri in wanted} | {iri: iri for iri in wanted}
    current, sought = "", dict[str, str | None]()
    with open_bytes(path) as stream:
        for number, raw in enumerate(stream, start=1):
            line = raw.decode(errors="replace")
            if found := _PREFIX.match(line):
                prefixes.append((f"{found[1]}:", found[2]))
                subjects |= {name: iri for iri in wanted for name in _names(iri, prefixes[-1:])}
                continue
            if not line[:1].isspace():
                known = subjects.get(line.split(None, 1)[0])
                current = known or ""
                if known is not None:
                    lines.setdefault((known, None), number)
                    sought = {name: iri for iri in wanted[known] if iri for name in _names(iri, prefixes)}
            if current and sought:
                for word in line.split()[:2]:
                    if iri := sought.get(word):
                        lines.setdefault((current, iri), number)
    for subject, predicates in wanted.items():
        for predicate in predicates:
            if (subject, None) in lines:
                lines.setdefault((subject, predicate), lines[subject, None])
    problems.put(lines)


def _names(iri: str, prefixes: list[tuple[str, str]]) -> list[str]:
    """The ways in which an IRI may be written."""
    return [
        f"<{iri}>",
        *(name + iri.removeprefix(start) for name, start in prefixes if start and iri.startswith(start)),
    ]
