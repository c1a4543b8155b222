"""R1 results as tables of text: for a terminal with aligned columns, or in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coldplug.evaluate.r1 import HISTORY, OURS, SUPPORT
from coldplug.evaluate.r1_split import STATES
from coldplug.evaluate.table import Style, Table, figure

_COLUMNS = ("mae", "rmse", "ndcg1", "ndcg3", "ndcg5")
_NAMES = ("MAE", "RMSE", "nDCG@1", "nDCG@3", "nDCG@5")


def r1_tables(result: Mapping[str, Any]) -> list[Table]:
    """One table a state, mean with standard deviation over seeds; a row behind them for each rater told more."""
    tables = []
    for state in STATES:
        rows = []
        for told in (SUPPORT, HISTORY):
            for row in result["results"]:
                if (row["state"], row["told"]) == (state, told):
                    name = row["rater"] if told == SUPPORT else f"{row['rater']}, told the warm ratings too"
                    rows.append([name, *(_cell(row[metric]) for metric in (*_COLUMNS, "mae_rounded"))])
        title = f"{state}: {result['tasks'][state]:,} users, mean over {len(result['seeds'])} seeds (sd)"
        tables.append(Table(title, ["rater", *_NAMES, "MAE if rounded"], rows))
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


def r1_text(result: Mapping[str, Any], style: Style = "plain") -> str:
    """Every table of a result, one below the other."""
    tables = [*r1_tables(result), *(table for table in [differences_table(result)] if table is not None)]
    if style == "markdown":
        return "\n\n".join(f"{table.title}\n\n{table.text(style)}" for table in tables)
    return "\n\n".join(table.text(style) for table in tables)


def _cell(found: Mapping[str, Any]) -> str:
    return f"{figure(found['mean'])} ({figure(found['sd'])})"
