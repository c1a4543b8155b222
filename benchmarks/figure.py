"""The figure of README from the stored C1 result: accuracy over the number of interactions, with and without the graph.

python benchmarks/figure.py     reads benchmarks/c1-ml-1m.json, writes docs/accuracy.svg
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
PANELS = (
    ("user_cold", "New users, known items"),
    ("both_cold", "New users, new items"),
)
LINES: tuple[tuple[str, str, str, str, str], ...] = (
    # method, control, label, line style, marker
    ("posterior", "whole graph", "coldplug, whole graph", "-", "o"),
    ("posterior", "catalogue facts + text", "coldplug, catalogue + text, no extracted facts", "--", "s"),
    ("posterior", "no graph", "coldplug, no graph", ":", "^"),
    ("itemknn", "whole graph", "ItemKNN", "-.", "x"),
    ("ials-ridge", "whole graph", "iALS + ridge", (0, (5, 2, 1, 2, 1, 2)), "D"),  # type: ignore[arg-type]
    ("popularity", "whole graph", "popularity", (0, (1, 3)), "v"),  # type: ignore[arg-type]
)


def main() -> None:
    """Draw both panels in black and grey, told apart by line style and marker."""
    result: dict[str, Any] = json.loads((HERE / "c1-ml-1m.json").read_text(encoding="utf-8"))
    matplotlib.rcParams.update({"svg.hashsalt": "coldplug", "font.size": 9})
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.9))
    for axis, (scenario, title) in zip(axes, PANELS, strict=True):
        for method, control, label, style, marker in LINES:
            points = sorted(
                (row["shots"], row["ndcg"]["mean"], row["ndcg"]["low"], row["ndcg"]["high"])
                for row in result["results"]
                if (row["method"], row["control"], row["scenario"]) == (method, control, scenario)
                and row["shots"] is not None  # the whole history has no place on the axis
            )
            if not points or (method == "itemknn" and scenario == "both_cold"):
                continue  # ItemKNN knows nothing of new items
            shots, means, lows, highs = zip(*points, strict=True)
            shade = "black" if method == "posterior" else "0.45"
            axis.plot(
                shots, means, linestyle=style, marker=marker, color=shade, label=label, markersize=4, lw=1.3
            )
            if (method, control) == ("posterior", "whole graph"):
                axis.fill_between(shots, lows, highs, color="0.85")
        axis.set(
            title=title, xlabel="interactions known of the user", xticks=[0, 1, 3, 5, 10], ylim=(0, None)
        )
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("NDCG@10")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(HERE.parent / "docs" / "accuracy.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
