"""Public data sets made into the three files the product reads: items, users, interactions."""

from __future__ import annotations

import importlib
from os import PathLike
from pathlib import Path

from coldplug.datasets.writing import Prepared
from plugbase.errors import UserError, did_you_mean

DATASETS: dict[str, str] = {
    "movielens-1m": "coldplug.datasets.movielens_1m",
    "ml-100k": "coldplug.datasets.movielens_100k",
}
"""Command-line name -> the module whose `prepare(raw_dir, out_dir)` reads that data set."""

ALIASES: dict[str, str] = {"ml-1m": "movielens-1m", "movielens-100k": "ml-100k"}

__all__ = ["ALIASES", "DATASETS", "Prepared", "prepare"]


def prepare(name: str, raw_dir: str | PathLike[str], out_dir: str | PathLike[str]) -> Prepared:
    """Write items.jsonl, users.csv and interactions.csv of a published data set into `out_dir`.

    Args:
        name: one of `DATASETS`, or an alias of one.
        raw_dir: the folder with the files as they were published.
        out_dir: made where it does not exist; files of these three names in it are replaced.

    Returns:
        What was written and what was odd about the raw files.

    Raises:
        UserError: unknown name, a file is missing, or a row of one is malformed (file and line named).
    """
    name = ALIASES.get(name, name)
    if name not in DATASETS:
        raise UserError(
            f"unknown data set {name!r}",
            mend=did_you_mean(name, [*DATASETS, *ALIASES]) or "known: " + ", ".join(DATASETS),
        )
    raw = Path(raw_dir)
    if not raw.is_dir():
        raise UserError(
            "no such folder", file=str(raw), mend="give the folder that the published archive unpacks to"
        )
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    module = importlib.import_module(DATASETS[name])
    prepared: Prepared = module.prepare(raw, out)
    return prepared
