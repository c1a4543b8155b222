"""Turns the marked-up labels in `training/labels` into items with facts: `python training/markup.py -o items.jsonl`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kgbuild.evaluate import SCORED_RELATIONS
from plugbase.errors import UserError, did_you_mean

LABELS = Path(__file__).resolve().parent / "labels"
_MARK = re.compile(r"\[(?P<relation>\w+)(?:~(?P<value>[^\[\]:]+))?:(?P<words>[^\[\]]+)\]")


def read_labels(path: Path) -> Iterator[dict[str, Any]]:
    """The items of one file of blocks, each `# title | category` and a text on the lines below it.

    `[relation:words]` marks the words as a fact; `[relation~value:words]` gives a fact whose value is not its words.

    Yields:
        `id`, `title`, `description`, `category` and `facts`: relation, value, field, and start and end in characters
        of that field, so that `item[field][start:end]` are the words that were marked.

    Raises:
        UserError: for an unknown relation, a bracket that is no mark, a block without a category or without a text.
    """
    title, lines, at, count = "", list[str](), 0, 0
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), "# "], start=1):
        if not line.startswith("# "):
            if line.strip() and not title:
                raise UserError(
                    "text before the first title",
                    file=str(path),
                    line=number,
                    mend="put '# title | category' above it",
                )
            lines.append(line.strip())
            continue
        if title:
            count += 1
            yield _item(f"{path.stem}-{count:03d}", title, " ".join(filter(None, lines)), path, at)
        title, lines, at = line[2:].strip(), [], number


def _item(name: str, heading: str, body: str, path: Path, line: int) -> dict[str, Any]:
    title, bar, category = heading.rpartition("|")
    if not bar or not category.strip() or not title.strip():
        raise UserError(
            f"no category in {heading!r}", file=str(path), line=line, mend="write '# title | category'"
        )
    if not body:
        raise UserError(
            f"no text under {heading!r}",
            file=str(path),
            line=line,
            mend="add the description below the title",
        )
    item: dict[str, Any] = {"id": name, "category": category.strip()}
    facts: list[dict[str, Any]] = []
    for field, marked in (("title", title.strip()), ("description", body)):
        try:
            item[field], found = unmark(marked)
        except ValueError as error:
            raise UserError(f"in {heading!r}: {error}", file=str(path), line=line) from None
        facts.extend({**fact, "field": field} for fact in found)
    return {**item, "facts": facts}


def unmark(marked: str) -> tuple[str, list[dict[str, Any]]]:
    """The text without its marks, and the facts they stand for, in the order of the text.

    Raises:
        ValueError: for a relation that is not one of `SCORED_RELATIONS`, or a bracket that is no mark.
    """
    text, facts, after = "", [], 0
    for match in _MARK.finditer(marked):
        relation, words = match["relation"], match["words"]
        if relation not in SCORED_RELATIONS:
            hint = did_you_mean(relation, SCORED_RELATIONS)
            raise ValueError(f"unknown relation {relation!r} in {match[0]!r}" + (f"; {hint}" if hint else ""))
        if words != words.strip():
            raise ValueError(f"space at the edge of {match[0]!r}")
        text += marked[after : match.start()]
        facts.append(
            {
                "relation": relation,
                "value": match["value"] or words,
                "start": len(text),
                "end": len(text) + len(words),
            }
        )
        text, after = text + words, match.end()
    text += marked[after:]
    if bad := re.search(r".{0,15}[\[\]].{0,15}", text):
        raise ValueError(f"a bracket that is no mark near {bad[0]!r}: write [relation:words]")
    return text, facts


def table(items: Iterable[dict[str, Any]]) -> str:
    """How many items and facts there are, by category and by relation, as a Markdown table."""
    kinds: Counter[str] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    for item in items:
        kind = item["id"].rpartition("-")[0]
        kinds[kind] += 1
        counts.update((kind, fact["relation"]) for fact in item["facts"])
    names = sorted(kinds)
    rows = [["", *names, "all"], ["---", *["---:"] * (len(names) + 1)]]
    rows.append(["items", *(str(kinds[name]) for name in names), str(kinds.total())])
    for relation in SCORED_RELATIONS:
        row = [counts[name, relation] for name in names]
        rows.append([relation, *map(str, row), str(sum(row))])
    rows.append(
        [
            "facts",
            *(str(sum(n for (k, _), n in counts.items() if k == name)) for name in names),
            str(counts.total()),
        ]
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Writes every file of labels as one items.jsonl, or prints the table of counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files", nargs="*", type=Path, help="files of marked-up labels (default: all in training/labels)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, help="the items.jsonl to write; without it the counts are printed"
    )
    options = parser.parse_args()
    try:
        items = [item for path in options.files or sorted(LABELS.glob("*.txt")) for item in read_labels(path)]
    except UserError as error:
        sys.exit(str(error))
    if options.output is None:
        print(table(items))
        return
    options.output.write_text(
        "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
