"""Items are added to a graph, changed and retracted; only what is new is read, and values keep their names."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kgbuild.extract import EXTRACTORS, load_extractor
from kgbuild.maintain.names import kept_names
from kgbuild.pipeline import ExtractSettings, build_graph
from kgbuild.read import ItemReader, Reject, Retraction, stop_at
from kgbuild.read.graph import read_graph
from kgbuild.schema import load_schema
from kgbuild.summary import ExtractSummary
from kgbuild.workfile import WorkFile
from kgbuild.write import OutputPaths
from kgbuild.write.atomic import digest_of, part_of
from plugbase.console import Console
from plugbase.errors import UserError
from plugbase.tables import STDIN

_TEACHER = "kgbuild.teach.teaching:TeachingExtractor"
_MEND = "`kgbuild extract` over all items builds it anew"


@dataclass(frozen=True)
class UpdateSettings:
    """All that `kgbuild update` can be told; the rest is as the graph was built.

    Args:
        limits: of this run's calls, by the names of the extractor's own options: max_usd, max_tokens.
        shots: the file of worked examples, where the build had one.
        backend: the extractor that may run, where it is one of the user's own.
    """

    graph: Path
    items: str
    workers: int | None = None
    strict: bool = False
    limits: Mapping[str, float | int] | None = None
    shots: Path | None = None
    backend: str | None = None


@dataclass(frozen=True)
class UpdateSummary:
    """What an update did, in numbers; `graph` is the whole graph after it."""

    added: int
    changed: int
    retracted: int
    unchanged: int
    graph: ExtractSummary


def update_graph(settings: UpdateSettings, console: Console) -> UpdateSummary:
    """Change the items of a graph and write the graph anew.

    The result is what building the graph from all its items would give, but that values keep the names they
    have (`kept_names`). Items that did not change are not read again. A run that is killed leaves the graph
    of before or the new one; the same command then does what is left.

    Raises:
        UserError: the graph or what is kept of its items is not there or not as it was left, the input cannot
            be read, no item would be left, or `strict` met a reject.
    """
    began = time.monotonic()
    paths = OutputPaths(settings.graph)
    _check_paths(settings, paths)
    with WorkFile(paths.work, "") as work:
        recover(work, paths)
        known = _known(work, paths)
        build, load = _as_built(known, settings)
        extractor = load()
        if extractor.fingerprint != known["fingerprint"]:
            was, now = known["fingerprint"], extractor.fingerprint
            message = f"what read its texts has changed since: {was!r} is now {now!r}"
            raise UserError(message, file=str(paths.graph), mend=_MEND)
        work.fingerprint = extractor.fingerprint
        earlier = read_graph(paths.graph)
        reader = ItemReader(settings.items)
        done, rejects = _change(reader, work, settings, console)
        if not work.count_items():
            work.take_back()
            raise UserError("no item would be left", file=str(paths.graph), mend="remove the graph instead")
        graph = build_graph(
            work,
            extractor,
            load,
            build,
            console,
            rejects,
            reader.warnings,
            began=began,
            name_values=partial(kept_names, earlier),
        )
    return UpdateSummary(done["added"], done["changed"], done["retracted"], done["unchanged"], graph)


def recover(work: WorkFile, paths: OutputPaths) -> None:
    """Bring graph and items together again after a run was killed: both as before it, or both as after it."""
    promised = work.memory.get("next")
    if promised is None:
        work.take_back()
        return
    if digest_of(paths.graph) != promised and digest_of(part_of(paths.graph)) == promised:
        # All was on disk, and the evidence may have its name already: the names that are left follow.
        for path in (paths.evidence, paths.graph):
            if part_of(path).exists():
                part_of(path).replace(path)
    if digest_of(paths.graph) == promised:
        work.settle()
    else:
        work.take_back()


def _check_paths(settings: UpdateSettings, paths: OutputPaths) -> None:
    if not settings.graph.is_file():
        raise UserError(
            "there is no such graph", file=str(settings.graph), mend="`kgbuild extract` writes it"
        )
    if not paths.work.is_file():
        raise UserError(
            f"what is kept of its items is gone: {paths.work.name}", file=str(settings.graph), mend=_MEND
        )
    if settings.items != STDIN and not Path(settings.items).exists():
        raise UserError("there is no such file of items", file=settings.items)


def _known(work: WorkFile, paths: OutputPaths) -> dict[str, Any]:
    """How the graph was built.

    Raises:
        UserError: the work file does not belong to the graph as it is now.
    """
    digest = work.memory.get("graph")
    if digest is None:
        message = "what is kept of its items is not complete: the last run over them did not end"
        raise UserError(message, file=str(paths.graph), mend=_MEND)
    if digest != digest_of(paths.graph):
        message = f"it is not the graph that {paths.work.name} was kept for: it was changed or replaced"
        raise UserError(message, file=str(paths.graph), mend=_MEND)
    known: dict[str, Any] = work.memory["settings"]
    return known


def _as_built(known: dict[str, Any], settings: UpdateSettings) -> tuple[ExtractSettings, partial[Any]]:
    """The settings of the build, and what makes its extractor."""
    backend = _backend(known["backend"], settings)
    options = {**known["options"], **(settings.limits or {}), **_objects(known["objects"], settings)}
    workers = settings.workers
    if _asks(backend) and workers is not None:
        options["concurrency"], workers = workers, 1
    if settings.limits and not _asks(backend):
        message = f"a limit was given, and the backend {backend!r} makes no calls that cost anything"
        raise UserError(message, file=str(settings.graph), mend="leave it out")
    build = ExtractSettings(
        items=settings.items,
        output=settings.graph,
        backend=backend,
        backend_options=options,
        schema=None if known["schema"] is None else Path(known["schema"]),
        relations=known.get("relations", "guided"),
        base=known["base"],
        evidence=known["evidence"],
        overrides=None if known["overrides"] is None else Path(known["overrides"]),
        workers=workers,
        strict=settings.strict,
    )
    return build, partial(load_extractor, backend, schema=load_schema(build.schema), **options)


def _backend(known: str, settings: UpdateSettings) -> str:
    """The backend of the build, if it can read a part of the items as it would read them among all."""
    if known == _TEACHER:
        message = "a teacher read its texts, and there what one item gives depends on the others"
        raise UserError(message, file=str(settings.graph), mend=_MEND)
    if known not in EXTRACTORS and not known.startswith("kgbuild.") and known != settings.backend:
        # A file must not say what code is run: a graph and its work file may come from a stranger.
        raise UserError(
            f"its texts were read by an extractor of your own, {known}",
            file=str(settings.graph),
            mend=f"say that this is to run: --backend {known}",
        )
    return known


def _objects(names: Sequence[str], settings: UpdateSettings) -> dict[str, Any]:
    """The options of the build that are no plain values."""
    found: dict[str, Any] = {}
    for name in names:
        if name == "group":
            from kgbuild.extract.llm.duplicates import group_near_duplicates

            found[name] = group_near_duplicates
        elif name == "shots" and settings.shots is not None:
            from kgbuild.extract.llm.shots import read_shots

            found[name] = read_shots(settings.shots)
        else:
            mend = "name them again: --shots FILE" if name == "shots" else _MEND
            message = f"it was built with {name!r}, which is not kept beside the graph"
            raise UserError(message, file=str(settings.graph), mend=mend)
    return found


def _asks(backend: str) -> bool:
    return backend == "openai" or backend.startswith("kgbuild.extract.llm.")


def _change(
    reader: ItemReader, work: WorkFile, settings: UpdateSettings, console: Console
) -> tuple[Counter[str], list[Reject]]:
    """Bring the changes into the work file: how many of each kind, and the lines that were none."""
    done: Counter[str] = Counter()
    rejects: list[Reject] = []
    with work.changing(), console.progress("reading", unit="lines") as progress:
        for line, found in reader.changes():
            if isinstance(found, Reject):
                rejects.append(found)
            else:
                identifier = found.id
                if isinstance(found, Retraction):
                    what = work.retract_item(line, identifier)
                else:
                    what = work.change_item(line, found)
                if isinstance(what, str):
                    done[what] += 1
                else:
                    reason = "there is no item of this id to retract"
                    if what is not None:
                        reason = f"the id is already used on line {what}"
                    rejects.append(Reject(settings.items, line, reason, identifier))
            if rejects and settings.strict:
                raise stop_at(rejects[0])
            progress.advance()
    for text, (first, count) in sorted(reader.warnings.items()):
        console.warn(f"{settings.items}:{first}: {text}" + (f" ({count} lines)" if count > 1 else ""))
    return done, rejects
