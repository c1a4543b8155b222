"""Relations: which raw wordings mean the same relation, in the same direction, and what the relation is
called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from kgbuild.resolve import meaning
from kgbuild.resolve.clusters import ALIKE, WordingSpace, average_link, definition_in_words
from kgbuild.resolve.guards import conflict, narrower
from kgbuild.resolve.labels import Label, guard_tables
from kgbuild.resolve.overrides import Rulings
from kgbuild.resolve.phrases import agent_verb, direction, opposed, relation_phrase
from kgbuild.resolve.records import MergeRecord
from kgbuild.resolve.text import singular
from kgbuild.resolve.values import BY_HAND, NEAR_IN_MEANING, NEAR_MEANING, SAME_LETTERS, Support

RelationsMode = Literal["open", "guided", "closed"]
if TYPE_CHECKING:
    from kgbuild.schema import Schema

NEAR_A_WORDING = 0.86
"""Least cosine of a wording nobody listed and a wording of the schema."""
MOST_ENCODED = 2000
"""Wordings that are encoded, the best supported first."""

_WORDING = "wording of the schema"
_SAME_PHRASE = "same phrase"
_SAME_VERB = "same verb"
SAME_MEANING = "near in meaning, as defined"


@dataclass(eq=False, slots=True)
class _Relation:
    """A canonical relation while wordings gather under it; `wordings` are the phrases that it may be
    matched by."""

    name: str
    wordings: list[str]
    definition: str = ""
    members: list[str] = field(default_factory=list)


def resolve_relations(
    wordings: Mapping[str, Support],
    schema: Schema,
    rulings: Rulings,
    *,
    mode: RelationsMode = "guided",
    values: Mapping[str, Sequence[str]] | None = None,
    definitions: Mapping[str, str] | None = None,
) -> tuple[dict[str, str], list[MergeRecord]]:
    """Canonical relation of each raw wording, and the records of what was merged.

    Tried in this order: the overrides file, the names and wordings of the schema, the same phrase, the same
    verb ("composed by", "composer"), nearness to the schema. What no catalogue gave and nothing matched is
    clustered by what its definition means; a cluster is called by its best-supported wording. No guard may
    keep apart two wordings of a cluster, so none runs the other way.

    Args:
        wordings: the support of every raw wording.
        mode: "open" takes no notice of the schema, "closed" leaves out what the schema does not know and no
            catalogue gave: it has no entry in the mapping.
        values: for raw wordings, their most usual values, the most usual first.
        definitions: for raw wordings, what they mean, where their source said so.
    """
    return _Relations(wordings, schema, rulings, mode, values or {}, definitions or {}).settle()


class _Relations:
    def __init__(
        self,
        wordings: Mapping[str, Support],
        schema: Schema,
        rulings: Rulings,
        mode: RelationsMode,
        values: Mapping[str, Sequence[str]],
        definitions: Mapping[str, str],
    ) -> None:
        self.support, self.rulings, self.mode = wordings, rulings, mode
        self.values, self.definitions = values, definitions
        known = () if mode == "open" else schema.relations.values()
        self.relations = {
            spec.name: _Relation(spec.name, [spec.name, *spec.wordings], spec.definition) for spec in known
        }
        self.by_phrase: dict[tuple[str, ...], _Relation] = {}
        self.by_verb: dict[tuple[str, ...], _Relation] = {}
        self.records: list[MergeRecord] = []
        self.canonical: dict[str, str] = {}

    def settle(self) -> tuple[dict[str, str], list[MergeRecord]]:
        self._by_hand()
        named = list(self.relations.values())
        for exact in (True, False):
            for relation in named:
                self._index(relation, exact)
        order = sorted(self.support, key=lambda wording: self.support[wording].order(wording))
        open_wordings = [wording for wording in order if wording not in self.canonical]
        unknown = [wording for wording in open_wordings if not self._by_words(wording)]
        led = self._by_meaning(unknown)
        if self.mode == "closed":
            for relation in led:
                for wording in relation.members:
                    del self.canonical[wording]
            dropped = {relation.name for relation in led}
            self.records = [record for record in self.records if record.into not in dropped]
        else:
            self._cluster(led[:MOST_ENCODED])
        return self.canonical, self.records

    def _by_hand(self) -> None:
        """What the overrides file merges; a relation of the schema brings its wordings along."""
        for into, others in self.rulings.merges(""):
            relation = self.relations.setdefault(into, _Relation(into, [into]))
            for wording in [into, *others]:
                if wording != into and wording in self.relations:
                    relation.wordings.extend(self.relations.pop(wording).wordings)
                if wording in self.support:
                    self._join(wording, relation, 1.0, BY_HAND)

    def _index(self, relation: _Relation, exact: bool) -> None:
        """Make the relation findable: by name and wordings as they stand first, so that a plural takes no
        other's."""
        for wording in relation.wordings:
            phrase = relation_phrase(wording)
            self.by_phrase.setdefault(phrase if exact else _singular_phrase(phrase), relation)
            verb = agent_verb(phrase)
            if verb is not None:
                self.by_verb.setdefault(verb, relation)

    def _by_words(self, wording: str) -> bool:
        """Join the relation that has this wording, or lead a new one where only the catalogue could know
        it."""
        phrase = relation_phrase(wording)
        for found, score, reason in self._same_words(wording, phrase):
            if not self._apart(wording, found):
                self._join(wording, found, score, reason)
                return True
        if self.support[wording].catalogue:
            self._lead(wording)
            return True
        return False

    def _same_words(self, wording: str, phrase: tuple[str, ...]) -> Iterator[tuple[_Relation, float, str]]:
        if wording in self.relations:
            yield self.relations[wording], 1.0, SAME_LETTERS
        if phrase in self.by_phrase:
            found = self.by_phrase[phrase]
            listed = found.definition != "" and relation_phrase(found.name) != phrase
            yield found, 1.0, _WORDING if listed else _SAME_PHRASE
        if _singular_phrase(phrase) in self.by_phrase:
            found = self.by_phrase[_singular_phrase(phrase)]
            if direction(phrase) == "" or _singular_phrase(phrase) == phrase:
                yield found, 0.97, _SAME_PHRASE
        verb = agent_verb(phrase)
        if verb is not None and verb in self.by_verb:
            yield self.by_verb[verb], 0.95, _SAME_VERB

    def _by_meaning(self, unknown: Sequence[str]) -> list[_Relation]:
        """Join each unknown wording to the nearest relation there is; the relations that the rest lead."""
        encoded = unknown[:MOST_ENCODED]
        space = _Space(list(self.relations.values()), encoded)
        led = []
        for wording in unknown:
            if self._by_words(wording):
                continue
            found = space.nearest(wording) if wording in space.place else ()
            match = next((near for near in found if not self._apart(wording, near[0])), None)
            if match:
                self._join(wording, match[0], match[1], NEAR_MEANING)
            else:
                led.append(self._lead(wording))
        return led

    def _cluster(self, led: Sequence[_Relation]) -> None:
        """Join the relations that mean the same into the best supported of them, which comes first."""
        if len(led) < 2:
            return
        space = WordingSpace(
            [relation.name for relation in led], [self._defined(relation.name) for relation in led]
        )

        def apart(i: int, j: int) -> bool:
            return space.apart(i, j) or any(self._apart(wording, led[i]) for wording in led[j].members)

        for group in average_link(space.nearness, ALIKE, apart):
            leader = led[group[0]]
            for other in group[1:]:
                self._absorb(leader, led[other], float(space.nearness[group[0], other]))

    def _defined(self, wording: str) -> str:
        return self.definitions.get(wording) or definition_in_words(
            " ".join(relation_phrase(wording)), self.values.get(wording, ())
        )

    def _absorb(self, leader: _Relation, other: _Relation, score: float) -> None:
        self.records = [record for record in self.records if record.into != other.name]
        for wording in other.members:
            self._join(wording, leader, max(score, 0.01), SAME_MEANING)
        self.relations.pop(other.name, None)

    def _apart(self, wording: str, relation: _Relation) -> bool:
        return self.rulings.apart("", [relation.name, *relation.members], [wording])

    def _lead(self, wording: str) -> _Relation:
        relation = self.relations.setdefault(wording, _Relation(wording, [wording]))
        self.canonical[wording] = wording
        relation.members.append(wording)
        for exact in (True, False):
            self._index(relation, exact)
        return relation

    def _join(self, wording: str, relation: _Relation, score: float, reason: str) -> None:
        self.canonical[wording] = relation.name
        relation.members.append(wording)
        if wording != relation.name:
            self.records.append(MergeRecord("relation", "", relation.name, wording, min(score, 1.0), reason))


class _Space:
    """The embedded wordings of the relations there are, and of the wordings that look for one."""

    def __init__(self, relations: Sequence[_Relation], unknown: Sequence[str]) -> None:
        relations = relations if unknown else []
        relations = sorted(relations, key=lambda relation: relation.definition == "")
        listed = [(relation, wording) for relation in relations for wording in relation.wordings]
        of_schema = sum(1 for relation, _ in listed if relation.definition)
        self.owners = [relation for relation, _ in listed]
        self.wordings = [wording for _, wording in listed]
        self.place = {wording: len(self.wordings) + at for at, wording in enumerate(unknown)}
        self.wordings.extend(unknown)
        phrases = [" ".join(relation_phrase(wording)) for wording in self.wordings]
        self.rows = np.concatenate(
            [meaning.encode_kept(tuple(phrases[:of_schema])), meaning.encode(phrases[of_schema:])]
        )
        self.defined = [relation for relation in relations if relation.definition]
        self.definitions = meaning.encode_kept(tuple(relation.definition for relation in self.defined))

    def nearest(self, wording: str) -> Iterator[tuple[_Relation, float]]:
        """(relation, cosine) from the nearest on, where every guard and the relation's definition agree.

        The definition agrees where it is among the three that lie nearest to the wording.
        """
        query = self.rows[self.place[wording]]
        nearness = self.rows[: len(self.owners)] @ query
        agreeing = (-(self.definitions @ query)).argsort(kind="stable")[:3]
        agreed = {self.defined[at].name for at in agreeing}
        for at in (-nearness).argsort(kind="stable"):
            near, owner = min(1.0, float(nearness[at])), self.owners[at]
            if near < NEAR_A_WORDING:
                return
            if not _alike(wording, self.wordings[at]):
                continue
            if owner.name in agreed if owner.definition else near >= NEAR_IN_MEANING:
                yield owner, near


def _singular_phrase(phrase: tuple[str, ...]) -> tuple[str, ...]:
    """The phrase with its last word in the singular, unless that word is a verb: "influences" is not
    "influence"."""
    last = phrase[-1]
    return phrase if last in guard_tables()["relation_verbs"] else (*phrase[:-1], singular(last))


def _alike(a: str, b: str) -> bool:
    """The guards of values and those of direction, asked of two wordings."""
    phrase_a, phrase_b = relation_phrase(a), relation_phrase(b)
    label_a, label_b = Label(" ".join(phrase_a)), Label(" ".join(phrase_b))
    return (
        not opposed(phrase_a, phrase_b)
        and conflict(label_a, label_b) is None
        and not narrower(label_a, label_b)
    )
