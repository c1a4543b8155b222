"""Items asked about at a scripted server, and what came of it."""

from __future__ import annotations

from typing import Any

from scripted_llm_server import Reply, Request, Script, ScriptedServer, answered

from kgbuild.extract import ExtractionFailure
from kgbuild.extract.llm import OpenAIExtractor
from kgbuild.schema import load_schema
from kgbuild.types import Item

SCHEMA = load_schema()
ITEM = Item("1", "Toy Story", "A cowboy doll is jealous.\n  A tale of\n friendship between TOYS.")


def ask(
    script: Script, *items: Item, **options: Any
) -> tuple[dict[str, Any], list[Request], OpenAIExtractor]:
    with ScriptedServer(script) as server:
        made = OpenAIExtractor(
            schema=SCHEMA, **{"model": "scripted", "base_url": server.url, "backoff": 0.01, **options}
        )
        results = list(made.extract(items))
        made.close()
    assert sorted(item.id for item, _ in results) == sorted(item.id for item in items), "each item once"
    return {item.id: result for item, result in results}, server.requests, made


def said(result: object) -> list[tuple[str, object]]:
    assert isinstance(result, list), result
    return [(mention.relation, mention.value) for mention in result]


def by_title(request: Request, facts: dict[str, list[tuple[str, ...]]]) -> Reply:
    return answered({mark: facts.get(item["title"], []) for mark, item in request.items.items()})


def films(count: int, words: int = 5) -> list[Item]:
    return [Item(str(number), f"F{number}", "war " * words) for number in range(count)]


def ask_singly(script: Script, *items: Item, **options: Any) -> tuple[dict[str, Any], list[Request]]:
    """What each item gave, and the requests that came; one item a call unless it is said otherwise."""
    given = {"backoff": 0.01, "retries": 3, "items_per_call": 1, "concurrency": 1, **options}
    with ScriptedServer(script) as server:
        made = OpenAIExtractor(schema=SCHEMA, model="scripted", base_url=server.url, **given)
        try:
            return {item.id: result for item, result in made.extract(items or [ITEM])}, server.requests
        finally:
            made.close()


def values(result: object) -> list[object]:
    assert isinstance(result, list), result
    return [mention.value for mention in result]


def reason(result: object) -> str:
    assert isinstance(result, ExtractionFailure), result
    return result.reason


def numbered(count: int, description: str = "A friendship.") -> list[Item]:
    return [Item(str(number), f"T{number}", description) for number in range(count)]
