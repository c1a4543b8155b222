"""Extraction: what an extractor is, and which name on the command line stands for which one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from kgbuild.types import Item, Mention
from plugbase.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from kgbuild.extract.llm.spending import CallRecord, Spending
    from kgbuild.schema import Schema

__all__ = [
    "EXTRACTORS",
    "BudgetReachedError",
    "ExtractionFailure",
    "ExtractionResult",
    "Extractor",
    "Metered",
    "load_extractor",
]


@dataclass(frozen=True, slots=True)
class ExtractionFailure:
    """An item that gave no answer, and why; the run goes on and the rejects name the item and the reason."""

    reason: str


class BudgetReachedError(Exception):
    """The next call could pass a limit; the text says which. What was answered so far stands."""


ExtractionResult = tuple[Item, list[Mention] | ExtractionFailure]


@runtime_checkable
class Extractor(Protocol):
    """Reads what the texts of items say. The catalogue's own facts are added by the pipeline, not here.

    An extractor is a class that takes `schema` and its own options by name. Any heavy loading happens on
    construction or on first use, never on import.
    """

    name: str
    """The name on the command line."""
    fingerprint: str
    """Changes whenever the same item could give other mentions: version, model, prompt, schema, settings."""
    costly: bool
    """Whether answers are worth keeping after the run (paid for, or slow to get)."""

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        """One result an item, in any order. What one item gives does not depend on the others."""
        ...


@runtime_checkable
class Metered(Protocol):
    """An extractor whose calls cost money. It takes items as a stream, and raises BudgetReachedError."""

    @property
    def spent(self) -> Spending:
        """What this run's calls came to."""
        ...

    def attach(
        self,
        *,
        tell: Callable[[str], None],
        earlier: Iterable[CallRecord],
        keep_call: Callable[[CallRecord], None],
        memory: MutableMapping[str, Any],
    ) -> None:
        """Connect it with a run: whom to tell of waits, the calls of earlier runs, where to keep new ones, and
        a memory for what it learns about the server."""
        ...

    def estimate(self, items: Iterable[Item]) -> Spending:
        """What asking about these items would come to, without a call."""
        ...

    def extract(self, items: Iterable[Item]) -> Iterator[ExtractionResult]:
        """As Extractor.extract, reading on only as it needs more items."""
        ...

    def close(self) -> None:
        """End the connections."""
        ...


EXTRACTORS: dict[str, str] = {
    "local": "kgbuild.extract.local:LocalExtractor",
    "openai": "kgbuild.extract.llm.extractor:OpenAIExtractor",
    "span": "kgbuild.extract.span.extractor:SpanExtractor",
    "none": "kgbuild.extract.catalogue:NoExtractor",
}
"""Name on the command line -> "module:class"."""


def load_extractor(name: str, *, schema: Schema, **options: Any) -> Extractor:
    """The extractor of that name, or the class that "module:class" names, made with its own options.

    Raises:
        UserError: no extractor has the name.
    """
    place = EXTRACTORS.get(name, name if ":" in name else None)
    if place is None:
        known = ", ".join(EXTRACTORS)
        raise UserError(
            f"no extractor is called {name!r}", mend=did_you_mean(name, EXTRACTORS) or f"there are: {known}"
        )
    module, _, attribute = place.partition(":")
    try:
        made = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"the extractor {name!r} cannot be loaded: {error}") from error
    return cast(Extractor, made(schema=schema, **options))
