"""C1 results as tables of text: for a terminal with aligned columns, or in Markdown for a README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from coldplug.evaluate.cell import SCENARIOS, Scenario
from coldplug.evaluate.controls import CONTROLS, WHOLE

Style = Literal["plain", "markdown"]
Result = Mapping[str, Any]
Metric = Literal["ndcg", "recall", "precision", "first", "coverage"]
METRIC_NAMES: dict[Metric, str] = {
    "ndcg": "NDCG@10",
    "recall": "Recall@20",
    "precision": "Precision@10",
    "first": "the first item is right",
    "coverage": "Coverage@10, the share of the ranked items in anybody's first ten",
}

_HEADINGS = {"user_cold": "user", "both_cold": "both", "item_cold": "item_cold"}
_SHOWN = {"user_cold": (0, 1, 3, 5, 10), "both_cold": (0, 5, 10), "item_cold": (None,)}


@dataclass(frozen=True)
class Table:
    """A heading, column names and rows of text; the first column is the row's name."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self, style: Style = "plain") -> str:
        """The table as text that ends without a newline."""
        if style == "markdown":
            lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
            return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines)
        widths = [max(len(row[i]) for row in [self.columns, *self.rows]) for i in range(len(self.columns))]
        body = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in [self.columns, *self.rows]
        ]
        rule = "-" * max(map(len, body))
        return "\n".join([self.title, body[0], rule, *body[1:]])


def shown_scenarios() -> list[Scenario]:
    """The columns of every table, in order."""
    return [s for s in SCENARIOS if s.shots in _SHOWN[s.name]]


def heading(scenario: Scenario) -> str:
    """ "user k=5", "both k=all", "item_cold"."""
    name = _HEADINGS[scenario.name]
    if scenario.name == "item_cold":
        return name
    return f"{name} k={'all' if scenario.shots is None else scenario.shots}"


def find(result: Result, method: str, view: str, scenario: Scenario) -> Mapping[str, Any] | None:
    """The row of `results` for a method, control and scenario."""
    for row in result["results"]:
        if (row["method"], row["control"], row["scenario"], row["shots"]) == (
            *(method, view, scenario.name),
            scenario.shots,
        ):
            found: Mapping[str, Any] = row
            return found
    return None


def figure(value: float) -> str:
    """Four decimals without the leading zero, as the field prints them: `.3878`."""
    text = f"{value:.4f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _cells(
    result: Result,
    method: str,
    view: str,
    metric: Metric,
    spread: bool,
    scenarios: Sequence[Scenario] | None = None,
) -> list[str]:
    cells = []
    for scenario in scenarios or shown_scenarios():
        row = find(result, method, view, scenario)
        if row is None or metric not in row:
            cells.append("-")
            continue
        found = row[metric]
        cell = figure(found["mean"])
        # a result of a single training has no deviation, an older one does not know of any
        if found.get("sd") is not None:
            cell += f" ±{figure(found['sd'])}"
        if spread and len(found["by_salt"]) > 1:
            cell += f" ({found['low']:.3f}-{found['high']:.3f})".replace("0.", ".")
        cells.append(cell)
    return cells


def methods_table(result: Result, metric: Metric = "ndcg", *, spread: bool = False) -> Table:
    """Every method on the whole graph; where one was trained with several seeds, with the deviation over them.

    Args:
        spread: put the lowest and highest salt behind each mean.
    """
    rows = [[m, *_cells(result, m, WHOLE, metric, spread)] for m in result["methods"]]
    return Table(_title(result, metric), ["method", *map(heading, shown_scenarios())], rows)


def sweep_tables(result: Result) -> list[Table]:
    """NDCG over all sizes of the support, up to all that the cut can tell; none where that was not measured."""
    tables = []
    for name in ("user_cold", "both_cold"):
        sizes = [s for s in SCENARIOS if s.name == name]
        if any(find(result, method, WHOLE, sizes[-1]) for method in result["methods"]):
            rows = [[m, *_cells(result, m, WHOLE, "ndcg", False, sizes)] for m in result["methods"]]
            title = f"{name} over the size of the support, {_title(result, 'ndcg')}"
            tables.append(Table(title, ["method", *map(heading, sizes)], rows))
    return tables


def costs_table(result: Result) -> Table | None:
    """Seconds of processor time and memory of each method on the whole graph, means over its cells."""
    rows = []
    for method in result["methods"]:
        cells = [c for c in result["costs"] if (c["method"], c["control"]) == (method, WHOLE)]
        if not cells or "fit_cpu_seconds" not in cells[0]:
            continue
        fit, scoring = (
            sum(cell[name] for cell in cells) / len(cells)
            for name in ("fit_cpu_seconds", "score_cpu_seconds")
        )
        memory = max((cell["memory_mib"] or cell["peak_memory_mib"]) for cell in cells)
        rows.append([method, str(len(cells)), f"{fit:.1f}", f"{scoring:.1f}", f"{memory:,.0f}"])
    if not rows:
        return None
    title = "What each costs: processor seconds, means over its trainings, and memory of the process at most, data included"
    return Table(title, ["method", "trainings", "fit s", "score s", "memory MiB"], rows)


def ranks_table(result: Result) -> Table | None:
    """Average ranks over users, best first; methods that lie within the last row of each other are not told apart."""
    rows = {(row["scenario"], row["shots"]): row for row in result.get("ranks", [])}
    shown = [s for s in shown_scenarios() if (s.name, s.shots) in rows]
    if not shown:
        return None
    columns = [rows[s.name, s.shots] for s in shown]

    def overall(method: str) -> float:
        return sum(row["average"].get(method, len(result["methods"])) for row in columns)

    body = [
        [m, *(f"{row['average'][m]:.2f}" if m in row["average"] else "-" for row in columns)]
        for m in sorted(result["methods"], key=overall)
    ]
    body.append(["critical difference", *(f"{row['critical_difference']:.2f}" for row in columns)])
    blocks = sorted({row["blocks"] for row in columns})
    title = (
        f"Average rank by NDCG@10 over {' to '.join(f'{n:,}' for n in (blocks[0], blocks[-1]))} users, 1 is best; ranks "
        "further apart than the critical difference (Nemenyi, 5 %) differ"
    )
    return Table(title, ["method", *map(heading, shown)], body)


def controls_table(result: Result, metric: Metric = "ndcg", *, spread: bool = False) -> Table | None:
    """The controlled method under every control that was run; None where there is none."""
    method = result["controlled"]
    run = {row["control"] for row in result["results"] if row["method"] == method}
    if method is None or len(run) < 2:
        return None
    rows = [[view, *_cells(result, method, view, metric, spread)] for view in CONTROLS if view in run]
    title = f"{method} under each control on the graph, {_title(result, metric)}"
    return Table(title, ["control", *map(heading, shown_scenarios())], rows)


def differences_table(result: Result, scenarios: Sequence[Scenario] | None = None) -> Table | None:
    """What the controlled method gains over each other row: mean, and the salts on which that is sure."""
    if not result["differences"]:
        return None
    wanted = list(scenarios or shown_scenarios())
    rows: dict[str, dict[str, str]] = {}
    for row in result["differences"]:
        than = row["than"]
        name = than["method"] if than["control"] == WHOLE else f"control: {than['control']}"
        above = sum(one["low"] > 0 for one in row["by_salt"])
        below = sum(one["high"] < 0 for one in row["by_salt"])
        sign = "+" if row["mean"] >= 0 else ""
        key = Scenario(row["scenario"], row["shots"]).key
        rows.setdefault(name, {})[key] = f"{sign}{figure(row['mean'])} {above}/{below}"
    title = (
        f"{result['controlled']} less each row, NDCG@10: mean, then the number of salts whose paired "
        "bootstrap 95 % interval lies above zero / below zero"
    )
    body = [[name, *(cells.get(s.key, "-") for s in wanted)] for name, cells in rows.items()]
    return Table(title, ["less", *map(heading, wanted)], body)


def graph_verdict(result: Result) -> list[str]:
    """Whether the graph helps, by the protocol's own test, scenario by scenario, in words."""
    method, said = result["controlled"], []
    for scenario in shown_scenarios():
        values = {}
        for view in (WHOLE, "catalogue facts + text", "whole, extracted objects shuffled"):
            row = find(result, method, view, scenario) if method else None
            if row is not None:
                values[view] = row["ndcg"]["mean"]
        if len(values) < 3:
            continue
        whole, known, shuffled = values.values()
        helps = whole > known and shuffled <= known and _sure(result, scenario)
        said.append(
            f"{heading(scenario)}: extracted facts {'help' if helps else 'do not show a gain'}: "
            f"whole {figure(whole)}, catalogue + text {figure(known)}, extracted shuffled {figure(shuffled)}"
        )
    return said


def _sure(result: Result, scenario: Scenario) -> bool:
    """True where the interval of whole less catalogue + text lies above zero on most salts."""
    for row in result["differences"]:
        if (row["than"]["control"], row["scenario"], row["shots"]) == (
            *("catalogue facts + text", scenario.name),
            scenario.shots,
        ):
            above = sum(one["low"] > 0 for one in row["by_salt"])
            return bool(2 * above > len(row["by_salt"]))
    return False


def _title(result: Result, metric: Metric) -> str:
    salts, by = len(result["salts"]), result.get("split_by", "hash")
    mean = f"mean over {salts} salts" if salts > 1 else "one salt"
    cut = "" if by == "hash" else f", split by {by}"
    seeds = max(result.get("seeds", {}).values(), default=1)
    trained = f", ± sd over up to {seeds} training seeds" if seeds > 1 else ""
    return f"{METRIC_NAMES[metric]}, {mean}{cut}{trained}"


def every_table(result: Result, *, spread: bool = False) -> list[Table]:
    """All there are for a result, in order; `spread` puts the lowest and highest salt behind the means of NDCG."""
    known = [m for m in METRIC_NAMES if result["results"] and m in result["results"][0]]
    found = [methods_table(result, metric, spread=spread and metric == "ndcg") for metric in known]
    found += sweep_tables(result)
    more = (controls_table(result, spread=spread), differences_table(result), ranks_table(result))
    return found + [table for table in (*more, costs_table(result)) if table is not None]


def c1_text(result: Result, style: Style = "plain") -> str:
    """Every table of a result, one below the other."""
    tables = every_table(result)
    parts = [table.text(style) for table in tables]
    verdict = graph_verdict(result)
    if verdict:
        parts.append(
            "\n".join(f"- {line}" for line in verdict) if style == "markdown" else "\n".join(verdict)
        )
    return "\n\n".join(parts)
