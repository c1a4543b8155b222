"""`coldplug evaluate`: how good methods are for what nobody has seen, as tables, JSON and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugbase.console import Console, console_options
from plugbase.errors import UserError

if TYPE_CHECKING:
    from coldplug.evaluate.split import By


@click.command(
    epilog="""\b
    Example:
      coldplug evaluate --protocol c1 data/ml-1m -o report.html
      coldplug evaluate data/mine --methods posterior,popularity,itemknn --salts 2 --no-controls
      coldplug evaluate data/ml-100k --methods posterior,proto --seeds 3 --split-by time
      coldplug evaluate --protocol r1 data/ml-1m --split raw/ml-1m/melu-split"""
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--protocol",
    type=click.Choice(["c1", "r1"]),
    default="c1",
    show_default=True,
    help="How it is measured: ranking (c1), or ratings on MeLU's split (r1).",
)
@click.option("--methods", multiple=True, metavar="NAME,...", help="Only these.  [default: all there are]")
@click.option(
    "--salts",
    type=click.IntRange(1, 5),
    default=5,
    show_default=True,
    help="How many ways to cut the data into warm and cold; the results are means over them.",
)
@click.option(
    "--split-by",
    type=click.Choice(["hash", "time", "all-but-k"]),
    default="hash",
    show_default=True,
    help="c1: cold users by their ids, by when they came, or by their ids with all right that was not told.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="How often each method is trained; the deviation is over them.  [default: c1 1, r1 3]",
)
@click.option("--no-controls", is_flag=True, help="Leave out the runs that show whether the graph helps.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at once.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of every random draw.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Also write a page with tables and curves here."
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Where finished parts are kept, so that a stopped run carries on.  [default: c1-cells/ or r1-cells/ in DIR]",
)
@click.option(
    "--split",
    type=click.Path(path_type=Path),
    help="r1: the folder with MeLU's states.  [default: melu-split/ in DIR]",
)
@console_options
def evaluate(
    *,
    folder: Path,
    protocol: str,
    methods: Sequence[str],
    salts: int,
    split_by: By,
    seeds: int | None,
    no_controls: bool,
    jobs: int,
    seed: int,
    output: Path | None,
    work: Path | None,
    split: Path | None,
    console: Console,
) -> None:
    """Measure methods on users and items set aside.

    DIR holds graph.ttl, interactions.* and users.*; the same command carries on with a run that was stopped.
    docs/evaluate.md describes the protocol, the methods and the controls.
    """
    if output is not None and not output.parent.is_dir():
        raise UserError("no such folder", file=str(output.parent), mend="make it, or name another with -o")
    if protocol == "r1":
        if output is not None:
            raise UserError("r1 writes no page", mend="leave out -o; --json gives every figure")
        chosen_seeds = range(seed, seed + (seeds or 3))
        work = work or folder / "r1-cells"
        _ratings(folder, split or folder / "melu-split", _names(methods), chosen_seeds, work, console)
        return
    from coldplug.evaluate import CONTROLS, SALTS, run_c1
    from coldplug.evaluate.c1 import DEFAULT_METHOD, seeds_of
    from coldplug.evaluate.report import write_report
    from coldplug.evaluate.table import c1_text
    from coldplug.learn import BASELINES

    chosen = _names(methods) or [DEFAULT_METHOD, *BASELINES]
    controls = [] if no_controls or DEFAULT_METHOD not in chosen else list(CONTROLS)
    remarks: list[str] = []
    # Of the controls, the whole graph is the default method's own row.
    trained = sum(seeds_of(method, seeds or 1) for method in chosen)
    total = salts * (trained + max(0, len(controls) - 1))
    with console.progress("measuring", total, unit="cells") as progress:

        def report(done: int, _total: int, cell: str) -> None:
            progress.advance(done - progress.done)
            console.detail(f"{done} of {total}: {cell}")

        result = run_c1(
            folder,
            chosen,
            SALTS[:salts],
            controls,
            seed=seed,
            seeds=seeds or 1,
            by=split_by,
            jobs=jobs,
            progress=report,
            work=work or folder / ("c1-cells" if split_by == "hash" else f"c1-{split_by}-cells"),
            remarks=remarks,
        )
    for remark in remarks:
        console.warn(remark)
    if output is not None:
        write_report(result, output)
        console.note(f"report: {output}")
    console.result(result, c1_text(result))


def _names(methods: Sequence[str]) -> list[str]:
    return [name for text in methods for name in text.split(",") if name]


def _ratings(
    folder: Path, split: Path, raters: Sequence[str], seeds: Sequence[int], work: Path, console: Console
) -> None:
    """Protocol r1."""
    from coldplug.evaluate.r1 import run_r1
    from coldplug.evaluate.r1_table import r1_text
    from coldplug.learn.ratings import RATERS, rater_class
    from coldplug.read import load_training_data

    chosen = list(raters) or list(RATERS)
    for name in chosen:
        rater_class(name)
    remarks: list[str] = []
    graph = folder / "graph.ttl"
    if not graph.is_file():
        raise UserError(
            "no graph.ttl in this folder",
            file=str(folder),
            mend="write it with `kgbuild extract items.jsonl -o graph.ttl`, beside users and interactions",
        )
    data = load_training_data(graph, remarks=remarks)
    with console.progress("measuring", len(seeds) * len(chosen), unit="fits") as progress:

        def report(done: int, total: int, what: str) -> None:
            progress.advance(done - progress.done)
            console.detail(f"{done} of {total}: {what}")

        result = run_r1(data, split, chosen, seeds, progress=report, work=work)
    for remark in remarks:
        console.warn(remark)
    console.result(result, r1_text(result))
