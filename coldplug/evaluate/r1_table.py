"""R1 results as tables of text: for a terminal with aligned columns, or in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coldplug.evaluate.r1 import HISTORY, OURS, SUPPORT
from coldplug.evaluate.r1_split import STATES
from coldplug.evaluate.table import Style, Table, figure

_COLUMNS = {
    "mae": "MAE",
    "rmse": "RMSE",
    "mse": "MSE",
    "ndcg1": "nDCG@1",
    "ndcg3": "nDCG@3",
    "ndcg5": "nDCG@5",
    "mae_rounded": "MAE if rounded",
}


def r1_tables(result: Mapping[str, Any]) -> list[Table]:
    """One table a state, mean with standard deviation over seeds; a row behind them for each rater told more."""
    tables = []
    # a result from before a metric was added has no column of it
    columns = [metric for metric in _COLUMNS if all(metric in row for row in result["results"])]
    for state in STATES:
        rows = []
        for told in (SUPPORT, HISTORY):
            for row in result["results"]:
                if (row["state"], row["told"]) == (state, told):
                    name = row["rater"] if told == SUPPORT else f"{row['rater']}, told the warm ratings too"
                    rows.append([name, *(_cell(row[metric], len(result["seeds"])) for metric in columns)])
        title = f"{state}: {result['tasks'][state]:,} users, {_seeds(result)}"
        tables.append(Table(title, ["rater", *(_COLUMNS[metric] for metric in columns)], rows))
    return tables


def differences_table(result: Mapping[str, Any]) -> Table | None:
    """What the posterior gains over each other rater told the support, with the interval; None where it was not run."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    for row in result["differences"]:
        if row["told"] == SUPPORT:
            cell = f"{figure(row['mean'])} [{figure(row['low'])}, {figure(row['high'])}]"
            found.setdefault(row["than"], {})[row["state"], row["metric"]] = cell
    if not found:
        return None
    columns = [(state, metric) for state in STATES for metric in ("mae", "rmse")]
    names = [f"{state} {metric.upper()}" for state, metric in columns]
    body = [[name, *(cells.get(column, "-") for column in columns)] for name, cells in found.items()]
    return Table(f"{OURS} less each row, paired bootstrap 95 % interval over users", ["less", *names], body)


def ranks_table(result: Mapping[str, Any]) -> Table | None:
    """Average ranks over users by RMSE and nDCG@5; an older result has none."""
    shown = [row for row in result.get("ranks", []) if row["metric"] in ("rmse", "ndcg5")]
    if not shown:
        return None
    names = sorted(shown[0]["average"], key=lambda name: sum(row["average"][name] for row in shown))
    body = [[name, *(f"{row['average'][name]:.2f}" for row in shown)] for name in names]
    body.append(["critical difference", *(f"{row['critical_difference']:.2f}" for row in shown)])
    title = "Average rank over users, 1 is best; ranks further apart than the critical difference (Nemenyi, 5 %) differ"
    return Table(title, ["rater", *(f"{row['state']} {_COLUMNS[row['metric']]}" for row in shown)], body)


def costs_table(result: Mapping[str, Any]) -> Table | None:
    """Processor seconds and memory of each rater, means over seeds; an older result has none."""
    rows = []
    for name in result["raters"]:
        cells = [cell for cell in result["costs"] if cell["rater"] == name]
        if "fit_cpu_seconds" not in cells[0]:
            return None
        fit, asked = (
            sum(cell[cost] for cell in cells) / len(cells)
            for cost in ("fit_cpu_seconds", "predict_cpu_seconds")
        )
        memory = [cell["memory_mib"] for cell in cells if cell["memory_mib"] is not None]
        rows.append([name, f"{fit:.1f}", f"{asked:.1f}", f"{max(memory):,.0f}" if memory else "-"])
    title = "What each costs: processor seconds, and memory of the process at most, data included"
    return Table(title, ["rater", "fit s", "predict s", "memory MiB"], rows)


def r1_text(result: Mapping[str, Any], style: Style = "plain") -> str:
    """Every table of a result, one below the other."""
    more = (differences_table(result), ranks_table(result), costs_table(result))
    tables = [*r1_tables(result), *(table for table in more if table is not None)]
    if style == "markdown":
        return "\n\n".join(f"{table.title}\n\n{table.text(style)}" for table in tables)
    return "\n\n".join(table.text(style) for table in tables)


def _seeds(result: Mapping[str, Any]) -> str:
    seeds = len(result["seeds"])
    return f"mean over {seeds} seeds (sd)" if seeds > 1 else "one seed"


def _cell(found: Mapping[str, Any], seeds: int) -> str:
    return figure(found["mean"]) + (f" ({figure(found['sd'])})" if seeds > 1 else "")
