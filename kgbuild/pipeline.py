"""The way from a file of items to a graph: read -> extract -> resolve -> write; a killed run carries on."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from kgbuild.extract import (
    BudgetReachedError,
    ExtractionFailure,
    Extractor,
    Metered,
    load_extractor,
    siblings,
)
from kgbuild.extract.catalogue import catalogue_mentions
from kgbuild.extract.llm.spending import Spending
from kgbuild.extract.workers import extract_here, extract_in_processes
from kgbuild.read import ItemReader, Reject, stop_at
from kgbuild.resolve import RelationsMode, Resolution, resolve
from kgbuild.schema import Schema, load_schema
from kgbuild.summary import ExtractEstimate, ExtractSummary, remaining_file, summarise
from kgbuild.types import Item, Mention
from kgbuild.workfile import WorkFile
from kgbuild.write import DEFAULT_BASE, EvidenceStyle, OutputPaths, check_base, write_graph, write_records
from kgbuild.write.iris import whole_text
from plugbase.console import Console
from plugbase.errors import UserError
from plugbase.tables import STDIN

BATCH = 16
"""Items that go to an extractor at once; with several workers, what a kill can lose a worker."""
LIMITS = ("max_usd", "max_tokens")
"""Options that hold for one run alone."""
_WORTH_A_PROCESS = 200
_MOST_WORKERS = 4


@dataclass(frozen=True)
class ExtractSettings:
    """All that `kgbuild extract` can be told. Of these, `workers` and `strict` never change the graph."""

    items: str
    output: Path
    backend: str = "local"
    backend_options: Mapping[str, object] = field(default_factory=dict)
    schema: Path | None = None
    relations: RelationsMode = "guided"
    base: str = DEFAULT_BASE
    evidence: EvidenceStyle = "file"
    overrides: Path | None = None
    workers: int | None = None
    """Processes that extract; None chooses by the number of items and cores."""
    strict: bool = False


def estimate_extract(settings: ExtractSettings, console: Console) -> ExtractEstimate:
    """What `extract_graph` would ask and pay for; no call is made and no graph written.

    Raises:
        UserError: as `extract_graph`, or the extractor costs nothing.
    """
    paths = _check_paths(settings)
    extractor = load_extractor(
        settings.backend, schema=load_schema(settings.schema), **settings.backend_options
    )
    if not isinstance(extractor, Metered):
        mend = "leave out --dry-run"
        raise UserError(f"the backend {settings.backend!r} makes no calls that cost anything", mend=mend)
    is_new = not paths.work.exists()
    with WorkFile(paths.work, extractor.fingerprint) as work, work.trial():
        rejects = _read(ItemReader(settings.items), work, settings, console)
        nothing = not work.count_items()
        _attach(extractor, work, console)
        expected = extractor.estimate(chain.from_iterable(work.unanswered(BATCH)))
        to_ask, n_items = work.count_unanswered(), work.count_items()
    if is_new:
        work.remove()
    if nothing:
        raise no_items(settings.items, rejects)
    return ExtractEstimate(n_items, len(rejects), n_items - to_ask, to_ask, expected.as_json())


def extract_graph(settings: ExtractSettings, console: Console) -> ExtractSummary:
    """Read items, extract what they say, resolve it and write the graph.

    The same items and settings give the same bytes, however often the run was killed in between.

    Raises:
        UserError: the items cannot be read or none is left, an option is wrong, or `strict` met a reject.
    """
    began = time.monotonic()
    paths = _check_paths(settings)
    schema = load_schema(settings.schema)
    load = partial(load_extractor, settings.backend, schema=schema, **settings.backend_options)
    extractor = load()
    reader = ItemReader(settings.items)
    with WorkFile(paths.work, extractor.fingerprint) as work:
        rejects = _read(reader, work, settings, console)
        if not work.count_items():
            write_records(paths.rejected, [reject.as_json() for reject in rejects])
            raise no_items(settings.items, rejects)
        return build_graph(work, extractor, load, settings, console, rejects, reader.warnings, began=began)


def build_graph(
    work: WorkFile,
    extractor: Extractor,
    load: partial[Extractor],
    settings: ExtractSettings,
    console: Console,
    rejects: list[Reject],
    warnings: Mapping[str, tuple[int, int]],
    *,
    began: float,
    name_values: Callable[[Resolution], Mapping[tuple[str, str], str]] | None = None,
) -> ExtractSummary:
    """From the items of a work file to the graph, with all files beside it.

    Args:
        work: open, with at least one item.
        load: makes the extractor once more, in another process.
        rejects: lines of the input that became no item.
        warnings: what was odd about the input, as ItemReader has it.
        began: when the run began, as time.monotonic tells it.
        name_values: the names that values have already and keep.
    """
    paths, schema = OutputPaths(settings.output), load_schema(settings.schema)
    reused = work.count_items() - work.count_unanswered()
    if isinstance(extractor, Metered):
        _attach(extractor, work, console)
    try:
        failures, stopped = _extract(work, extractor, load, settings, console)
    except KeyboardInterrupt:
        console.note("\nwhat was read out so far is kept: the same command carries on there")
        raise
    finally:
        if isinstance(extractor, Metered):
            extractor.close()
    failed = {failure.value for failure in failures}
    remaining = list(work.remaining(failed)) if stopped else []
    write_records(remaining_file(paths), [{"id": name, "line": line} for name, line in remaining])
    spending = None
    if isinstance(extractor, Metered):
        every_run = Spending(work.calls())
        spending = {"this run": extractor.spent.as_json(), "this graph": every_run.as_json()}
    console.detail("resolving")
    mentions = _mentions(work, schema, settings.backend)
    resolution = resolve(mentions, schema, overrides=settings.overrides, mode=settings.relations)
    if resolution.dropped:
        console.warn(
            f"{sum(resolution.dropped.values())} facts of {len(resolution.dropped)} relations left out: "
            "the schema is closed"
        )
    console.detail("writing")
    work.memory["settings"] = remembered(settings, extractor.fingerprint)
    write_graph(
        work.items(),
        resolution,
        paths,
        base=settings.base,
        evidence=settings.evidence,
        kept_names=name_values(resolution) if name_values else None,
        before_naming=work.promise,
    )
    write_records(paths.merges, [merge.as_json() for merge in resolution.merges])
    write_records(paths.rejected, [reject.as_json() for reject in [*rejects, *failures]])
    work.settle()
    work.memory["spent"] = not extractor.costly and not failures
    return summarise(
        paths,
        resolution,
        warnings,
        items=work.count_items(),
        rejected=len(rejects),
        failed=len(failures),
        reused=reused,
        stopped=stopped,
        remaining=remaining,
        spending=spending,
        seconds=time.monotonic() - began,
    )


def remembered(settings: ExtractSettings, fingerprint: str) -> dict[str, Any]:
    """What an update has to know of how the graph was built; limits of money are for one run alone."""
    options = {
        name: str(value.resolve()) if isinstance(value, Path) else value
        for name, value in settings.backend_options.items()
        if name not in LIMITS
    }
    plain = {name: value for name, value in options.items() if isinstance(value, str | int | float)}
    return {
        "backend": settings.backend,
        "options": plain,
        # Objects cannot be written down: an update has to be given them again.
        "objects": sorted(options.keys() - plain.keys()),
        "schema": None if settings.schema is None else str(settings.schema.resolve()),
        "relations": settings.relations,
        "base": settings.base,
        "evidence": settings.evidence,
        "overrides": None if settings.overrides is None else str(settings.overrides.resolve()),
        "fingerprint": fingerprint,
    }


def _attach(extractor: Metered, work: WorkFile, console: Console) -> None:
    extractor.attach(tell=console.warn, earlier=work.calls(), keep_call=work.keep_call, memory=work.memory)


def _check_paths(settings: ExtractSettings) -> OutputPaths:
    paths = OutputPaths(settings.output)
    check_base(settings.base)
    if settings.output.is_dir():
        raise UserError("the output is a folder", file=str(settings.output), mend="name a file: -o graph.ttl")
    if settings.output.suffix != ".ttl":
        # The ending tells other tools the format, and the files beside the graph are named after it.
        raise UserError("the graph is Turtle", file=str(settings.output), mend="let its name end in .ttl")
    written = (paths.graph, paths.evidence, paths.merges, paths.rejected, paths.work, remaining_file(paths))
    for given in (settings.items, settings.overrides, settings.schema):
        if (
            given is not None
            and str(given) != STDIN
            and Path(given).resolve() in {p.resolve() for p in written}
        ):
            raise UserError(
                "this file is read, and the run would write over it",
                file=str(given),
                mend="copy it to another name and name the copy",
            )
    if settings.overrides is not None and not settings.overrides.is_file():
        raise UserError("there is no such file of merges", file=str(settings.overrides))
    try:
        settings.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be made: {error.strerror}", file=str(settings.output.parent)) from error
    return paths


def _read(reader: ItemReader, work: WorkFile, settings: ExtractSettings, console: Console) -> list[Reject]:
    """Fill the work file with the items; return what was no item."""
    rejects: list[Reject] = []
    with work.filling(), console.progress("reading", unit="lines") as progress:
        for line, item in reader:
            if isinstance(item, Item):
                first = work.add_item(line, item)
                if first is not None:
                    reason = f"the id is already used on line {first}"
                    rejects.append(Reject(settings.items, line, reason, item.id))
            else:
                rejects.append(item)
            if rejects and settings.strict:
                raise stop_at(rejects[0])
            progress.advance()
    for text, (first, count) in sorted(reader.warnings.items()):
        console.warn(f"{settings.items}:{first}: {text}" + (f" ({count} lines)" if count > 1 else ""))
    return rejects


def _extract(
    work: WorkFile,
    extractor: Extractor,
    load: partial[Extractor],
    settings: ExtractSettings,
    console: Console,
) -> tuple[list[Reject], str | None]:
    """Answer every item that has no answer yet; return the items that gave none, and the limit that ended it."""
    pending, total = work.count_unanswered(), work.count_items()
    if pending and pending < total:
        console.note(f"carrying on: {total - pending} of {total} items were answered before")
    workers = settings.workers or _workers_for(settings.backend, pending)
    batches = work.unanswered(BATCH)
    results = extract_here(extractor, batches)
    if workers > 1 and pending > BATCH:
        results = extract_in_processes(load, batches, min(workers, math.ceil(pending / BATCH)))
    lines: dict[str, Reject] = {}
    stopped: str | None = None
    with console.progress("extracting", total, done=total - pending) as progress:
        while True:
            try:
                item, result = next(results)
            except StopIteration:
                break
            except BudgetReachedError as error:
                stopped = str(error)
                break
            if isinstance(result, ExtractionFailure):
                line = work.line_of(item)
                reason = f"no facts from the text: {result.reason}"
                # An item that an earlier run brought has no line in this input.
                file = settings.items if line > 0 else str(settings.output)
                lines[item.id] = Reject(file, max(line, 0), reason, item.id)
                if settings.strict:
                    raise stop_at(lines[item.id])
            else:
                work.answer(item, [_whole(mention) for mention in result])
            progress.advance()
    return sorted(lines.values(), key=lambda reject: reject.line), stopped


def _workers_for(backend: str, pending: int) -> int:
    """Processes worth their start: only extractors that read on this machine compute, and each process loads its models."""
    if backend not in ("local", "span"):
        return 1
    return max(1, min(os.cpu_count() or 1, _MOST_WORKERS, pending // _WORTH_A_PROCESS))


def _mentions(work: WorkFile, schema: Schema, backend: str) -> Iterator[Mention]:
    """What the catalogue knows, what the texts say and what titles say together, by item id: the order of the input
    plays no part."""
    reads_series = backend != "none" and siblings.RELATION in schema.relations
    together = siblings.sibling_mentions(work.answered) if reads_series else {}
    for item, found in work.answered():
        yield from chain(catalogue_mentions(item), found)
        if item.id in together:
            yield together[item.id]


def _whole(mention: Mention) -> Mention:
    """The mention with nothing in it that UTF-8 cannot hold, such as half a character in a model's answer."""
    texts = {name: getattr(mention, name) for name in ("relation", "value", "source", "quote", "range")}
    broken: dict[str, Any] = {
        name: whole_text(text) for name, text in texts.items() if isinstance(text, str) and not text.isascii()
    }
    return replace(mention, **broken) if broken else mention


def no_items(file: str, rejects: list[Reject]) -> UserError:
    if not rejects:
        return UserError("there is no item in it", file=file)
    first = rejects[0]
    return UserError(
        f"all {len(rejects)} lines were rejected; the first: {first.reason}", file=file, line=first.line
    )
