"""`coldplug tune`: a method and data in, settings that suit them out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coldplug.cli.training import parse_settings, training_options
from plugbase.console import Console, columns, console_options, duration
from plugbase.errors import ExitStatus, UserError

if TYPE_CHECKING:
    from coldplug.tune import TuneSummary

_PARTS = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")
_LEAST_SHOWN = 0.01


def parse_duration(text: str | None) -> float | None:
    """Seconds from texts such as 90, 90s, 30m, 1h30m."""
    if text is None:
        return None
    found = _PARTS.fullmatch(text.strip().lower().replace(" ", ""))
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise click.BadParameter(f"{text!r} is no length of time; such as 90s, 30m, 1h30m")
    return total


@click.command(
    epilog="""\b
    Example:
      coldplug tune --graph graph.ttl --method proto --timeout 30m
      coldplug tune --graph graph.ttl --method maml --set steps=200 -o settings.json --plot importance.svg
      coldplug train --graph graph.ttl --settings settings.json"""
)
@click.option(
    "--graph",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The graph that `kgbuild extract` wrote.",
)
@click.option("--method", default="posterior", show_default=True, metavar="NAME", help="The learner to tune.")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Settings to try, those of earlier runs of the same study counted.",
)
@click.option(
    "--timeout",
    metavar="TIME",
    callback=lambda _ctx, _option, given: parse_duration(given),
    help="Begin nothing more after so long, such as 30m; the same command carries on.",
)
@click.option(
    "--study",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file with all trials.  [default: tune-METHOD.db beside the graph]",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the settings here as JSON."
)
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw which settings mattered, as SVG."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=lambda _ctx, _option, given: parse_settings(given),
    help="A setting that is not to be searched. May be repeated.",
)
@training_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of every random draw.")
@console_options
def tune(
    *,
    graph: Path,
    method: str,
    trials: int,
    timeout: float | None,
    study: Path | None,
    output: Path | None,
    plot: Path | None,
    settings: dict[str, str],
    interactions: Path | None,
    users: Path | None,
    positive_at: float | None,
    seed: int,
    console: Console,
) -> ExitStatus:
    """Search the settings of a learner on users and items set aside from the data.

    The best are printed as arguments of `coldplug train`, beside what the defaults reach. A search that was
    stopped, by whatever means, carries on where it was when the same command is given again.
    """
    from coldplug.learn import trainable_class
    from coldplug.learn.settings import checked
    from coldplug.read import find_beside, load_training_data
    from coldplug.tune import tune as search
    from coldplug.tune.plot import importance_svg
    from coldplug.tune.ranges import searched

    for path in (output, plot):
        if path is not None and not path.parent.is_dir():
            raise UserError("no such folder", file=str(path.parent), mend="make it, or name another")
    searched(method, settings)
    checked(trainable_class(method).settings_class, settings)
    beside = find_beside(graph)
    remarks: list[str] = []
    data = load_training_data(
        graph, users or beside[0], interactions or beside[1], positive_at, remarks=remarks
    )
    for remark in remarks:
        console.warn(remark)
    study = study or graph.parent / f"tune-{method}.db"
    with console.progress("tuning", trials, unit="trials") as progress:
        summary = search(
            data,
            method,
            study,
            trials=trials,
            timeout=timeout,
            fixed=settings,
            seed=seed,
            note=console.detail,
            progress=lambda done: progress.advance(done - progress.done),
        )
    if summary is None:
        console.warn("time was up before the first trial was through; the same command carries on")
        return ExitStatus.BUDGET
    if output is not None:
        kept = summary.as_json()
        told = {name: kept[name] for name in ("method", "settings", "default", "best", "checked", "trials")}
        output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if plot is not None:
        if summary.importance:
            plot.write_text(importance_svg(method, summary.importance), encoding="utf-8")
        else:
            console.warn(f"too few trials are whole to tell which settings mattered; {plot} is not written")
    console.result(summary.as_json(), summary_text(summary))
    return ExitStatus.DONE


def summary_text(summary: TuneSummary) -> str:
    """The summary on one screen."""
    rows: list[tuple[str, object]] = [
        ("trials", summary.trials),
        ("  given up early", summary.given_up),
        *([("  that failed", summary.failed)] if summary.failed else []),
        ("NDCG@10 of the defaults", f"{summary.default:.4f}"),
        ("NDCG@10 of the best", f"{summary.best:.4f}"),
    ]
    lines = [f"{summary.study} after {duration(summary.seconds)}", columns(rows)]
    if summary.checked is None:
        lines.append("  nothing was better than the defaults")
    else:
        default, best = summary.checked
        lines.append(f"  on users and items set aside anew: defaults {default:.4f}, best {best:.4f}")
        if not summary.helps:
            lines.append("  so the defaults are the safer choice")
    if summary.importance:
        told = [f"{name} {share:.2f}" for name, share in summary.importance.items() if share >= _LEAST_SHOWN]
        lines.append(f"  what mattered: {', '.join(told)}")
    if summary.out_of_time:
        lines.append("  time was up; the same command carries on")
    arguments = "".join(f" --set {name}={value}" for name, value in summary.settings.items())
    lines.append(f"coldplug train --method {summary.method}{arguments}")
    return "\n".join(lines)
