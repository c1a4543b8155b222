"""The stored result of hosts.py as the tables of docs/hosts.md: means over the cuts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

ARMS = ("alone", "popularity", "fallback", "blend")
_TITLES = {"alone": "", "popularity": " + popularity", "fallback": " + fallback", "blend": " + blend"}

Cut = Mapping[str, Any]


def tables(result: Mapping[str, Any]) -> str:
    """Four rows a host, a column a scenario; what coldplug adds to the host with popularity; how often new items show."""
    cuts = result["cuts"]
    names, hosts = list(cuts[0]["scenarios"]), list(cuts[0]["hosts"])

    lines = _head("NDCG@10", names)
    for arm in ("popularity", "coldplug"):
        cells = [_shown(_mean(cut["coldplug"][name][arm]["ndcg"] for cut in cuts)) for name in names]
        lines.append(_row(f"{arm} without a host", cells))
    for host in hosts:
        for arm in ARMS:
            cells = [_shown(_mean(_at(cut, host, name, arm)["ndcg"] for cut in cuts)) for name in names]
            lines.append(_row(host + _TITLES[arm], cells))
    lines += ["", *_head("over the host with popularity", names)]
    for host in hosts:
        for arm in ("fallback", "blend"):
            lines.append(_row(host + _TITLES[arm], [_gain(cuts, host, name, arm) for name in names]))
    lines += ["", *_head("new among the first ten of one list", ARMS)]
    for host in hosts:
        shares = [_mean(_at(cut, host, "one_list", arm)["new_in_ten"] for cut in cuts) for arm in ARMS]
        lines.append(_row(host, [f"{share:.1%}" for share in shares]))
    return "\n".join(lines)


def _gain(cuts: list[Cut], host: str, name: str, arm: str) -> str:
    """The mean gain, and on how many cuts its 95 % interval lies above / below zero."""
    gains = [_at(cut, host, name, arm)["ndcg"] - _at(cut, host, name, "popularity")["ndcg"] for cut in cuts]
    if not any(gains):
        return "0"
    bounds = [_at(cut, host, name, arm)["over_popularity"] for cut in cuts]
    above, below = sum(low > 0 for low, _ in bounds), sum(high < 0 for _, high in bounds)
    return f"{float(np.mean(gains)):+.3f} {above}/{below}".replace("0.", ".", 1)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _at(cut: Cut, host: str, name: str, arm: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = cut["hosts"][host]["scenarios"][name][arm]
    return found


def _head(title: str, columns: Sequence[str]) -> list[str]:
    return [_row(title, columns), "| --- |" + " ---: |" * len(columns)]


def _row(title: str, cells: Sequence[str]) -> str:
    return f"| {title} | " + " | ".join(cells) + " |"


def _shown(value: float) -> str:
    """Three decimals, without the nought."""
    return f"{value:.3f}".lstrip("0")
