"""The overrides file: what the user says is the same, or is not, whatever resolution would decide."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kgbuild.resolve.text import compact_form
from plugbase.errors import UserError, did_you_mean

_KEYS = ("kind", "range", "merge", "keep_apart", "note")
_MEND = "see docs/resolution.md for the shape of an entry"


@dataclass(frozen=True, slots=True)
class Override:
    """One entry of the file. `labels` are two or more; of a merge, the first is the label that stays."""

    kind: str
    range: str
    merge: bool
    labels: tuple[str, ...]
    file: str
    line: int


@dataclass(slots=True)
class Rulings:
    """The overrides of one kind, with their labels found among those that the mentions hold."""

    groups: dict[str, list[list[str]]] = field(default_factory=dict)
    forbidden: dict[str, dict[str, set[str]]] = field(default_factory=dict)

    def merges(self, value_range: str) -> list[tuple[str, list[str]]]:
        """(label that stays, labels merged into it) for each merge of the range."""
        return [(group[0], group[1:]) for group in self.groups.get(value_range, ())]

    def leads(self, value_range: str, label: str) -> bool:
        """Whether the label is one that a merge wants to stay."""
        return any(group[0] == label for group in self.groups.get(value_range, ()))

    def apart(self, value_range: str, members: Iterable[str], labels: Iterable[str]) -> bool:
        """Whether some label is to be kept apart from some member."""
        apart = self.forbidden.get(value_range)
        if not apart:
            return False
        banned = {other for label in labels for other in apart.get(label, ())}
        return bool(banned) and not banned.isdisjoint(members)


def read_overrides(path: Path) -> list[Override]:
    """The entries of a YAML file (a list of mappings) or of a JSONL file (one entry a line), in order.

    Raises:
        UserError: the file cannot be read, or an entry does not have the shape that docs/resolution.md shows.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read the overrides: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise UserError("the overrides are not UTF-8 text", file=str(path)) from error
    entries = _jsonl(text, path) if path.suffix in (".jsonl", ".ndjson") else _yaml(text, path)
    return [_override(entry, str(path), line) for line, entry in entries]


def rule(overrides: Sequence[Override], known: Mapping[str, Iterable[str]]) -> Rulings:
    """The overrides with every label found among the known ones of its range.

    A label is found as it stands or, failing that, by its letters alone. Merges that share a label are one
    merge, under the first label of the earliest.

    Raises:
        UserError: a range or a label is not known, or a merge contradicts a keep_apart.
    """
    labels = {name: set(found) for name, found in known.items()}
    by_letters: dict[str, dict[str, str]] = {}
    rulings = Rulings()
    for entry in overrides:
        if entry.range not in labels:
            raise UserError(
                f"no value has the range {entry.range!r}",
                file=entry.file,
                line=entry.line,
                mend=did_you_mean(entry.range, sorted(labels))
                or f"there are: {', '.join(sorted(labels)[:20])}",
            )
        if entry.range not in by_letters:
            by_letters[entry.range] = {compact_form(label): label for label in sorted(labels[entry.range])}
        found = [_find(label, entry, labels[entry.range], by_letters[entry.range]) for label in entry.labels]
        if entry.merge:
            _add_group(rulings.groups.setdefault(entry.range, []), list(dict.fromkeys(found)))
        else:
            pairs = rulings.forbidden.setdefault(entry.range, defaultdict(set))
            for label in found:
                pairs[label].update(other for other in found if other != label)
    for entry in overrides:
        _check(entry, rulings)
    return rulings


def _find(label: str, entry: Override, labels: set[str], by_letters: Mapping[str, str]) -> str:
    if label in labels:
        return label
    found = by_letters.get(compact_form(label))
    if found is not None:
        return found
    what = "relation" if entry.kind == "relation" else f"value of the range {entry.range!r}"
    mend = (
        did_you_mean(label, sorted(labels))
        or "take the label as the evidence file or the merge record writes it"
    )
    raise UserError(f"no {what} is called {label!r}", file=entry.file, line=entry.line, mend=mend)


def _add_group(groups: list[list[str]], labels: list[str]) -> None:
    """Put the labels into the groups that already hold one of them, or make a new group."""
    touched = [group for group in groups if not set(group).isdisjoint(labels)]
    if not touched:
        groups.append(labels)
        return
    joined = list(dict.fromkeys(label for group in [*touched, labels] for label in group))
    touched[0][:] = joined
    groups[:] = [group for group in groups if group is touched[0] or group not in touched]


def _check(entry: Override, rulings: Rulings) -> None:
    for group in rulings.groups.get(entry.range, ()):
        named = [label for label in group if rulings.apart(entry.range, group, [label])]
        if named:
            raise UserError(
                f"{named[0]!r} and {named[1]!r} are both merged and kept apart",
                file=entry.file,
                line=entry.line,
                mend="take one of the two entries out",
            )


def _override(entry: Any, file: str, line: int) -> Override:
    if not isinstance(entry, dict):
        raise UserError("an override is not a mapping", file=file, line=line, mend=_MEND)
    for key in entry:
        if key not in _KEYS:
            mend = did_you_mean(str(key), _KEYS) or f"known keys are {', '.join(_KEYS)}"
            raise UserError(f"an override has the unknown key {key!r}", file=file, line=line, mend=mend)
    actions = [key for key in ("merge", "keep_apart") if key in entry]
    if len(actions) != 1:
        raise UserError("an override has one of 'merge' and 'keep_apart'", file=file, line=line, mend=_MEND)
    labels = entry[actions[0]]
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(one, str) for one in labels):
        raise UserError(
            f"{actions[0]!r} is not a list of two or more texts", file=file, line=line, mend=_MEND
        )
    value_range = entry.get("range") or ""
    kind = entry.get("kind") or ("value" if value_range else "relation")
    if kind not in ("value", "relation"):
        mend = did_you_mean(str(kind), ("value", "relation")) or "write value or relation"
        raise UserError(f"the kind {kind!r} is not known", file=file, line=line, mend=mend)
    if not isinstance(value_range, str) or (kind == "value") != bool(value_range):
        raise UserError(
            "an override of values names their range, one of relations none", file=file, line=line
        )
    return Override(kind, value_range, actions[0] == "merge", tuple(labels), file, line)


def _jsonl(text: str, path: Path) -> list[tuple[int, Any]]:
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entries.append((number, json.loads(line)))
        except json.JSONDecodeError as error:
            raise UserError(f"not JSON: {error.msg}", file=str(path), line=number) from error
    return entries


def _yaml(text: str, path: Path) -> list[tuple[int, Any]]:
    """Every scalar is taken as text, so that a value called 1984 or No needs no quotes."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        if root is None:
            return []
        if not isinstance(root, yaml.SequenceNode):
            line = root.start_mark.line + 1
            raise UserError("the overrides are not a list of entries", file=str(path), line=line, mend=_MEND)
        lines = [node.start_mark.line + 1 for node in root.value]
        return list(zip(lines, yaml.load(text, Loader=yaml.BaseLoader), strict=True))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        where = mark.line + 1 if mark else None
        raise UserError(f"the overrides are not YAML: {problem}", file=str(path), line=where) from error
