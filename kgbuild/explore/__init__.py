"""The explorer: one offline page that holds a whole graph, to search it and click through to the quoted text."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from kgbuild.explore.data import as_data, page_json
from kgbuild.report.facts import read_facts
from kgbuild.write.atomic import atomic_text

__all__ = ["Explored", "write_explorer"]


@dataclass(frozen=True)
class Explored:
    """What went into the page. `bytes` is its size on disk."""

    items: int
    facts: int
    values: int
    quotes: int
    bytes: int
    page: str


def write_explorer(graph: Path, path: Path) -> Explored:
    """Write the page: one file that works without a network and asks for none.

    Raises:
        UserError: the graph or its evidence cannot be read, or the page cannot be written.
    """
    table = read_facts(graph)
    facts, texts = as_data(table)
    with atomic_text(path) as stream:
        stream.write(render(table.name, page_json(facts), [page_json(text) for text in texts]))
    return Explored(
        items=len(table.ids),
        facts=len(table.item),
        values=len(table.values),
        quotes=len(table.quotes),
        bytes=path.stat().st_size,
        page=str(path),
    )


def render(name: str, facts: str, texts: list[str]) -> str:
    """The page as text; `facts` and `texts` are JSON that cannot end the element it stands in."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    here = resources.files("kgbuild.explore")
    script = here.joinpath("script.html").read_text(encoding="utf-8")
    inside = script.partition("<script>")[2].rpartition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(here.joinpath("page.html").read_text(encoding="utf-8")).render(
        name=name,
        facts=Markup(facts),
        texts=[Markup(text) for text in texts],
        script=Markup(script),
        script_hash=digest,
    )
