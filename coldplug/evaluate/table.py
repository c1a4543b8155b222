"""C1 results as tables of text: for a terminal with aligned columns, or in Markdown for a README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from coldplug.evaluate.cell import SCENARIOS, Scenario
from coldplug.evaluate.controls import CONTROLS, WHOLE

Style = Literal["plain", "markdown"]
Result = Mapping[str, Any]
Metric = Literal["ndcg", "recall"]

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


def _cells(result: Result, method: str, view: str, metric: Metric, spread: bool) -> list[str]:
    cells = []
    for scenario in shown_scenarios():
        row = find(result, method, view, scenario)
        if row is None:
            cells.append("-")
            continue
        found = row[metric]
        cell = figure(found["mean"])
        if spread and len(found["by_salt"]) > 1:
            cell += f" ({found['low']:.3f}-{found['high']:.3f})".replace("0.", ".")
        cells.append(cell)
    return cells


def methods_table(result: Result, metric: Metric = "ndcg", *, spread: bool = False) -> Table:
    """Every method on the whole graph.

    Args:
        spread: put the lowest and highest salt behind each mean.
    """
    rows = [[m, *_cells(result, m, WHOLE, metric, spread)] for m in result["methods"]]
    return Table(_title(result, metric), ["method", *map(heading, shown_scenarios())], rows)


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
    name = "NDCG@10" if metric == "ndcg" else "Recall@20"
    return f"{name}, mean over {len(result['salts'])} salts"


def c1_text(result: Result, style: Style = "plain") -> str:
    """Every table of a result, one below the other."""
    tables = [methods_table(result), methods_table(result, "recall")]
    tables += [t for t in (controls_table(result), differences_table(result)) if t is not None]
    parts = [table.text(style) for table in tables]
    verdict = graph_verdict(result)
    if verdict:
        parts.append(
            "\n".join(f"- {line}" for line in verdict) if style == "markdown" else "\n".join(verdict)
        )
    return "\n\n".join(parts)
