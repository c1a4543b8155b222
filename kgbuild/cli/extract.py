"""`kgbuild extract`: a file of items in, graph.ttl and its evidence out."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from kgbuild.cli.llm import llm_options, refuse_llm_options
from kgbuild.extract import EXTRACTORS
from kgbuild.extract.llm.spending import spending_rows
from plugbase.console import Console, columns, console_options, duration
from plugbase.errors import ExitStatus

if TYPE_CHECKING:
    from kgbuild.summary import ExtractEstimate, ExtractSummary

BATCH = "kgbuild.extract.llm.batch:BatchExtractor"
TEACHER = "kgbuild.teach.teaching:TeachingExtractor"
_RELATIONS_SHOWN = 8


@click.command(
    epilog="""\b
    Example:
      kgbuild extract items.jsonl -o graph.ttl
      zcat items.jsonl.gz | kgbuild extract - -o graph.ttl --backend none"""
)
@click.argument("items")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The graph to write.")
@click.option(
    "--backend",
    default="local",
    show_default=True,
    metavar="NAME",
    help=f"What reads the texts: {', '.join(EXTRACTORS)} (catalogue facts alone), or your own module:Class.",
)
@click.option(
    "--extractor",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Read with an extractor that train-extractor wrote.",
)
@llm_options
@click.option(
    "--shots",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With openai: labelled items to choose worked examples from.",
)
@click.option("--batch", is_flag=True, help="With openai: by its Batch API; the same command later collects.")
@click.option(
    "--teacher",
    metavar="openai:MODEL",
    help="A model that labels a few items, for the student to learn from.",
)
@click.option(
    "--student",
    metavar="local|FOLDER",
    help="With --teacher: what learns from it and reads the rest.  [default: local]",
)
@click.option(
    "--budget", metavar="SHARE|TOKENS", help="With --teacher: what it may read: 5%, 200k.  [default: 5%]"
)
@click.option("--dry-run", is_flag=True, help="With openai: print tokens and price; make no call.")
@click.option(
    "--base", default="urn:kgbuild:", show_default=True, metavar="IRI", help="What IRIs begin with."
)
@click.option(
    "--evidence",
    type=click.Choice(["file", "inline"]),
    default="file",
    show_default=True,
    help="Evidence beside the graph, or in it as rdf:Statement.",
)
@click.option("--schema", type=click.Path(path_type=Path), help="Relations to look for, instead of our own.")
@click.option(
    "--relations",
    type=click.Choice(["open", "guided", "closed"]),
    default="guided",
    show_default=True,
    help="What decides on relations: wordings alone, the schema first, or the schema alone.",
)
@click.option("--merges", type=click.Path(path_type=Path), help="Your corrections to what was merged.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that extract; with openai, questions asked at once.  [default: by cores and items]",
)
@click.option("--strict", is_flag=True, help="Stop at the first bad line instead of setting it aside.")
@console_options
def extract(
    *,
    items: str,
    output: Path,
    backend: str,
    folder: Path | None,
    llm: dict[str, object],
    shots: Path | None,
    batch: bool,
    teacher: str | None,
    student: str | None,
    budget: str | None,
    dry_run: bool,
    base: str,
    evidence: Literal["file", "inline"],
    schema: Path | None,
    relations: Literal["open", "guided", "closed"],
    merges: Path | None,
    workers: int | None,
    strict: bool,
    console: Console,
) -> ExitStatus:
    """Read ITEMS (.jsonl, .csv, .parquet, also .gz; - is standard input) into a graph.

    A run that was stopped carries on where it was when the same command is given again.
    """
    from kgbuild.pipeline import ExtractSettings, estimate_extract, extract_graph

    given = dict(llm)
    if folder is not None:
        if backend not in ("local", "span"):
            raise click.UsageError(f"--extractor: not with --backend {backend}")
        backend = "span"
    elif backend == "span":
        raise click.UsageError("--backend span: name the trained folder with --extractor")
    if teacher is None and (student or budget):
        raise click.UsageError("--student and --budget: only with --teacher")
    if teacher is not None:
        if backend != "local" or batch or "model" in llm:
            raise click.UsageError("--teacher: not with --backend, --extractor, --model or --batch")
        given |= {"teacher": teacher, "student": student or "local", "budget": budget or "5%"}
        given["folder"] = output.with_name(f"{output.name.removesuffix('.ttl')}.student")
        backend = TEACHER
    switches = {"shots": shots is not None, "batch": batch, "dry_run": dry_run}
    refuse_llm_options({**llm, **{name: True for name, is_on in switches.items() if is_on}}, backend)
    if backend in ("openai", TEACHER):
        given |= _read_cheaper(shots)
        backend = BATCH if batch else backend
    if folder is not None:
        given["folder"] = folder
    if backend in ("openai", BATCH, TEACHER) and workers is not None:
        # What takes time is waiting for the endpoint: that wants questions at once, not processes.
        given["concurrency"], workers = workers, 1
    settings = ExtractSettings(
        items=items,
        output=output,
        backend=backend,
        backend_options=given,
        schema=schema,
        relations=relations,
        base=base,
        evidence=evidence,
        overrides=merges,
        workers=workers,
        strict=strict,
    )
    if dry_run:
        estimate = estimate_extract(settings, console)
        console.result(asdict(estimate), estimate_text(estimate))
        return ExitStatus.DONE
    summary = extract_graph(settings, console)
    console.result(asdict(summary), summary_text(summary))
    if summary.stopped:
        return ExitStatus.BUDGET
    return ExitStatus.REJECTED if summary.rejected or summary.failed else ExitStatus.DONE


def _read_cheaper(shots: Path | None) -> dict[str, object]:
    """What makes calls fewer or their answers better: near-duplicates read once, worked examples of one's own."""
    from kgbuild.extract.llm.duplicates import group_near_duplicates
    from kgbuild.extract.llm.shots import read_shots

    given: dict[str, object] = {"group": group_near_duplicates}
    if shots is not None:
        given["shots"] = read_shots(shots)
    return given


def estimate_text(estimate: ExtractEstimate) -> str:
    """What a run would cost, on one screen."""
    head = [
        ("items", estimate.items),
        ("  answered before", estimate.reused),
        ("  to ask about", estimate.to_ask),
    ]
    if estimate.rejected:
        head.append(("rejected lines", estimate.rejected))
    return "\n".join(
        [
            f"{estimate.spending['calls']:,} calls would be made; tokens are guessed, repetitions not counted",
            columns(head),
            columns(spending_rows(estimate.spending)),
        ]
    )


def summary_text(summary: ExtractSummary) -> str:
    """The summary on one screen."""
    head: list[tuple[str, object]] = [("items", summary.items)]
    if summary.reused:
        head.append(("  answered before", summary.reused))
    if summary.rejected:
        head.append(("rejected lines", summary.rejected))
    if summary.failed:
        head.append(("items whose text gave no answer", summary.failed))
    if summary.stopped:
        head.append(("items not asked about yet", summary.remaining))
    head.append(("facts", summary.facts))
    sources: dict[str, int] = {}
    for source, count in summary.facts_by_source.items():
        name = source.partition(":")[0]
        sources[name] = sources.get(name, 0) + count
    head += [(f"  from {name}", count) for name, count in sources.items()]
    head += [("values", summary.values), ("  merged into another", summary.values_merged)]
    if summary.relations_merged:
        head.append(("  relations merged into another", summary.relations_merged))
    relations = ", ".join(
        f"{name!r} {count:,}" if not name.isprintable() else f"{name} {count:,}"
        for name, count in islice(summary.facts_by_relation.items(), _RELATIONS_SHOWN)
    )
    more = len(summary.facts_by_relation) - _RELATIONS_SHOWN
    return "\n".join(
        [
            f"{summary.files['graph']} written in {duration(summary.seconds)}",
            columns(head),
            f"  relations: {relations}" + (f" and {more} more" if more > 0 else ""),
            *(f"  {name}: {path}" for name, path in summary.files.items() if name != "graph"),
            *_spending_lines(summary),
            *_stopped_lines(summary),
        ]
    )


def _spending_lines(summary: ExtractSummary) -> list[str]:
    if summary.spending is None:
        return []
    run, graph = summary.spending["this run"], summary.spending["this graph"]
    lines = [f"{run['calls']:,} calls answered {run['items']:,} items", columns(spending_rows(run))]
    if graph["calls"] > run["calls"]:
        usd = graph["all"]["usd"]
        price = "unknown" if isinstance(usd, str) else f"{usd:.4f} USD"
        lines.append(
            f"  with the runs before it: {graph['calls']:,} calls, {graph['all']['tokens']:,} tokens, {price}"
        )
    return lines


def _stopped_lines(summary: ExtractSummary) -> list[str]:
    if summary.stopped is None:
        return []
    names = ", ".join(repr(name) for name in summary.remaining_first)
    more = summary.remaining - len(summary.remaining_first)
    return [
        f"stopped: {summary.stopped}; the same command carries on",
        f"  not asked about yet: {names}" + (f" and {more:,} more" if more > 0 else ""),
    ]
