"""The span extractor: a small encoder reads a text once, and spans of it are matched to relations or to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgbuild.extract.span.extractor import ScoredSpan, SpanExtractor
    from kgbuild.extract.span.fitting import TrainingSettings
    from kgbuild.extract.span.training import TrainingSummary, train_extractor

__all__ = ["ScoredSpan", "SpanExtractor", "TrainingSettings", "TrainingSummary", "train_extractor"]

_PLACES = {
    "ScoredSpan": "extractor",
    "SpanExtractor": "extractor",
    "TrainingSettings": "fitting",
    "TrainingSummary": "training",
    "train_extractor": "training",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `kgbuild --help` must not wait for torch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
