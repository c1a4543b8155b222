"""Two graphs into one: values and relations that are the same become one, facts are united, evidence is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kgbuild.maintain.pairing import Usage, Value, pair_relations, pair_values
from kgbuild.read.graph import GraphFile, read_graph
from kgbuild.resolve import Resolution
from kgbuild.types import CATALOGUE, Fact, FieldName, Item, Mention, Scalar
from kgbuild.write import EvidenceStyle, OutputPaths, check_base, write_graph, write_records
from kgbuild.write.evidence import surer
from plugbase.console import Console
from plugbase.errors import UserError

_FIELDS: tuple[FieldName, ...] = ("title", "description")
_SHOWN = 200
_Described = tuple[Item, list[Fact]]


@dataclass(frozen=True)
class MergeSummary:
    """What a merge did, in numbers."""

    items: int
    items_in_both: int
    facts: int
    facts_in_both: int
    values: int
    values_merged: int
    relations_merged: int
    conflicts: int
    seconds: float
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that the two graphs say differently of one item, and what stands in the merged one.

    `about` is the title, the description or a relation; long texts are shown by their beginning.
    """

    item: str
    about: str
    said: tuple[str, ...]
    kept: str

    def as_json(self) -> dict[str, Any]:
        """The conflict as one record of `<output>.conflicts.jsonl`."""
        return asdict(self)


def merge_graphs(
    first: Path,
    second: Path,
    output: Path,
    console: Console,
    *,
    base: str | None = None,
    evidence: EvidenceStyle = "file",
) -> MergeSummary:
    """Write one graph that holds what two graphs hold; which of them is named first makes no difference.

    Args:
        base: what the IRIs of the merged graph begin with; by default what those of both begin with.

    Raises:
        UserError: a graph cannot be read, the bases differ and `base` is None, or the output is one of them.
    """
    began = time.monotonic()
    paths = _check_paths(first, second, output)
    graphs = read_graph(first), read_graph(second)
    base = _base(graphs, base)
    usages = Usage.of(graphs[0]), Usage.of(graphs[1])
    console.detail("pairing")
    relations, values = pair_relations(graphs, usages), pair_values(graphs, usages)
    facts: list[Fact] = []
    conflicts: list[Conflict] = []
    items = both = facts_given = 0
    sides = [_renamed(graph, relations.into[at], values.into[at]) for at, graph in enumerate(graphs)]
    for group in _side_by_side(sides, graphs):
        found, said = _united(group)
        facts.extend(found)
        conflicts.extend(said)
        items += 1
        both += len(group) == 2
        facts_given += sum(len(given) for _, given in group)
    resolution = Resolution(
        facts,
        united_relations(graphs, relations.into),
        united_values(graphs, values.into),
        sorted([*relations.records, *values.records]),
    )
    console.detail("writing")
    kept = _kept_names(graphs, values.into)
    # Texts are read once more rather than held: they are the larger part of a graph.
    groups = _side_by_side([graph.items(evidence=False) for graph in graphs], graphs)
    texts = (_one_item([item for item, _ in group]) for group in groups)
    write_graph(texts, resolution, paths, base=base, evidence=evidence, kept_names=kept)
    write_records(paths.merges, [record.as_json() for record in resolution.merges])
    beside = conflicts_file(paths)
    write_records(beside, [conflict.as_json() for conflict in conflicts])
    written = {"graph": paths.graph, "evidence": paths.evidence, "merges": paths.merges, "conflicts": beside}
    return MergeSummary(
        items=items,
        items_in_both=both,
        facts=len(facts),
        facts_in_both=facts_given - len(facts),
        values=len(resolution.values),
        values_merged=len(values.records),
        relations_merged=len(relations.records),
        conflicts=len(conflicts),
        seconds=round(time.monotonic() - began, 3),
        files={name: str(path) for name, path in written.items() if path.exists()},
    )


def conflicts_file(paths: OutputPaths) -> Path:
    """Where the conflicts of a merge are written."""
    return paths.graph.with_name(f"{paths.graph.name.removesuffix('.ttl')}.conflicts.jsonl")


def _check_paths(first: Path, second: Path, output: Path) -> OutputPaths:
    paths = OutputPaths(output)
    if output.suffix != ".ttl":
        raise UserError("the graph is Turtle", file=str(output), mend="let its name end in .ttl")
    if output.resolve() in (first.resolve(), second.resolve()):
        mend = "name another -o"
        raise UserError("this graph is read, and the run would write over it", file=str(output), mend=mend)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be made: {error.strerror}", file=str(output.parent)) from error
    return paths


def _base(graphs: Sequence[GraphFile], base: str | None) -> str:
    if base is not None:
        return check_base(base)
    one, two = (graph.base for graph in graphs)
    if one != two:
        raise UserError(
            f"its IRIs begin with {two}, those of {graphs[0].path} with {one}",
            file=str(graphs[1].path),
            mend=f"say which is to stay: --base {one}",
        )
    return one


def _renamed(graph: GraphFile, relations: dict[str, str], values: dict[Value, Value]) -> Iterator[_Described]:
    """The items of a graph, their facts under the names of the merged graph."""
    for item, facts in graph.items():
        found = []
        for fact in facts:
            relation = relations.get(fact.relation, fact.relation)
            if isinstance(fact.value, str):
                scope, value = values.get((fact.range, fact.value), (fact.range, fact.value))
                fact = Fact(fact.mention, relation, value, scope)
            elif relation != fact.relation:
                fact = Fact(fact.mention, relation, fact.value, relation)
            found.append(fact)
        yield item, found


def _side_by_side(
    sides: Sequence[Iterator[_Described]], graphs: Sequence[GraphFile]
) -> Iterator[list[_Described]]:
    """The items of both graphs by id, those of one id together.

    Raises:
        UserError: a graph does not have its items in the order of their ids, each once.
    """
    ahead = [next(side, None) for side in sides]
    while present := [found[0].id for found in ahead if found is not None]:
        lowest = min(present)
        group = []
        for at, found in enumerate(ahead):
            if found is not None and found[0].id == lowest:
                group.append(found)
                ahead[at] = following = next(sides[at], None)
                if following is not None and following[0].id <= lowest:
                    raise UserError(
                        f"the item {following[0].id!r} comes after {lowest!r}",
                        file=str(graphs[at].path),
                        mend="items are sorted by id, each once, as kgbuild writes them",
                    )
        yield group


def _one_item(items: Sequence[Item]) -> Item:
    """The item with the longer of two titles and of two descriptions, whichever graph they come from."""
    if len(items) == 1:
        return items[0]
    texts = [
        max((getattr(item, name) for item in items), key=lambda text: (len(text), text)) for name in _FIELDS
    ]
    return Item(items[0].id, *texts)


def _united(group: Sequence[_Described]) -> tuple[list[Fact], list[Conflict]]:
    """The facts of an item from both graphs, each once, and what the graphs do not agree on."""
    if len(group) == 1:
        return group[0][1], []
    item = _one_item([item for item, _ in group])
    best: dict[tuple[str, str, str, Scalar], Fact] = {}
    for _, facts in group:
        for fact in facts:
            fact = _placed(fact, item)
            key = fact.relation, fact.range, type(fact.value).__name__, fact.value
            if key not in best or _better(fact) > _better(best[key]):
                best[key] = fact
    return list(best.values()), [*_texts_apart(group, item), *_numbers_apart(group, item)]


def _better(fact: Fact) -> tuple[bool, float, str]:
    return (fact.mention.source == CATALOGUE, *surer(fact))


def _placed(fact: Fact, item: Item) -> Fact:
    """The fact with its place in the text that stands; without a place where that text does not have the quote."""
    mention = fact.mention
    if mention.field is None or mention.quote is None or mention.start is None:
        return fact
    text = getattr(item, mention.field)
    if text[mention.start : mention.end] == mention.quote:
        return fact
    start = text.find(mention.quote)
    moved: Mention = replace(mention, start=start, end=start + len(mention.quote))
    if start < 0:
        moved = replace(mention, field=None, start=None, end=None, quote=None)
    return replace(fact, mention=moved)


def _texts_apart(group: Sequence[_Described], item: Item) -> Iterator[Conflict]:
    for name in _FIELDS:
        said = {getattr(one, name) for one, _ in group} - {""}
        if len(said) > 1:
            shown = sorted(text[:_SHOWN] for text in said)
            yield Conflict(item.id, name, tuple(shown), getattr(item, name)[:_SHOWN])


def _numbers_apart(group: Sequence[_Described], item: Item) -> Iterator[Conflict]:
    """Relations of which both graphs know numbers or dates, and no common one; all of them stand."""
    known: list[dict[str, set[str]]] = []
    for _, facts in group:
        numbers: dict[str, set[str]] = {}
        for fact in facts:
            if not isinstance(fact.value, str):
                numbers.setdefault(fact.relation, set()).add(str(fact.value))
        known.append(numbers)
    for relation in sorted(known[0].keys() & known[1].keys()):
        one, two = known[0][relation], known[1][relation]
        if one.isdisjoint(two):
            yield Conflict(item.id, relation, tuple(sorted(one | two)), "all")


def united_values(
    graphs: Sequence[GraphFile], into: Sequence[Mapping[Value, Value]]
) -> dict[Value, list[str]]:
    """(range, label) of the values of the merged graph -> their other labels."""
    found: dict[Value, set[str]] = {}
    for graph, renamed in zip(graphs, into, strict=True):
        for value, others in graph.values.items():
            found.setdefault(renamed.get(value, value), set()).update([value[1], *others])
    return {value: sorted(labels - {value[1]}) for value, labels in sorted(found.items())}


def united_relations(graphs: Sequence[GraphFile], into: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Labels of the relations of the merged graph -> their other wordings."""
    found: dict[str, set[str]] = {}
    for graph, renamed in zip(graphs, into, strict=True):
        for label, others in graph.relations.items():
            found.setdefault(renamed.get(label, label), set()).update([label, *others])
    return {label: sorted(wordings - {label}) for label, wordings in sorted(found.items())}


def _kept_names(graphs: Sequence[GraphFile], into: Sequence[Mapping[Value, Value]]) -> dict[Value, str]:
    """The names that values have in the graph whose label for them stands; no name twice."""
    names: dict[Value, str] = {}
    taken: set[str] = set()
    given = sorted(
        (value, name)
        for graph, renamed in zip(graphs, into, strict=True)
        for value, name in graph.names.names.items()
        if value not in renamed
    )
    for value, name in given:
        if value not in names and name not in taken:
            names[value] = name
            taken.add(name)
    return names
