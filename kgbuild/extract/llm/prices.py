"""What a model's tokens cost, from a file that a user can put a file of their own on top of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugbase.errors import UserError, did_you_mean

DEFAULT_PRICES = Path(__file__).with_name("prices.yaml")
_KEYS = ("prompt", "cached", "completion", "batch")
_DATE = re.compile(r"-\d{4}-?\d{2}-?\d{2}\Z")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; `batch` is what the Batch API multiplies them by."""

    prompt: float
    completion: float
    cached: float
    batch: float = 1.0

    def of(
        self, prompt: int, cached: int, completion: int, *, batch: bool = False
    ) -> tuple[float, float, float]:
        """US dollars for what was sent anew, for what the server had cached and for what came back.

        `prompt` includes `cached`, as servers count it.
        """
        factor = (self.batch if batch else 1.0) / 1e6
        return (
            (prompt - cached) * self.prompt * factor,
            cached * self.cached * factor,
            completion * self.completion * factor,
        )


def load_prices(path: str | Path | None = None) -> dict[str, Price]:
    """Prices by model: those that kgbuild brings along, with those of the given file on top.

    Raises:
        UserError: the file cannot be read or does not have the shape of prices.yaml.
    """
    prices = _read(DEFAULT_PRICES)
    return prices if path is None else {**prices, **_read(Path(path))}


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price of a model by its name, or by its name without a date at the end; None where it is unknown."""
    return prices.get(model) or prices.get(_DATE.sub("", model))


def _read(file: Path) -> dict[str, Price]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read the prices: {error.strerror}", file=str(file)) from error
    except UnicodeDecodeError as error:
        raise UserError("the prices are not UTF-8 text", file=str(file)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        raise UserError("the prices are not YAML", file=str(file), line=line) from error
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, dict):
        mend = "write 'models:' and below it lines like 'my-model: {prompt: 0.25, completion: 2}'"
        raise UserError("the prices have no 'models'", file=str(file), mend=mend)
    return {str(model): _price(str(model), given, file) for model, given in models.items()}


def _price(model: str, given: Any, file: Path) -> Price:
    if not isinstance(given, dict) or not {"prompt", "completion"} <= given.keys():
        mend = f"write '{model}: {{prompt: 0.25, completion: 2}}', in dollars per million tokens"
        raise UserError(f"the price of {model!r} needs 'prompt' and 'completion'", file=str(file), mend=mend)
    for key, value in given.items():
        if key not in _KEYS:
            mend = did_you_mean(str(key), _KEYS) or f"known keys are {', '.join(_KEYS)}"
            raise UserError(f"the price of {model!r} has the unknown key {key!r}", file=str(file), mend=mend)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            mend = "write dollars per million tokens, 0 or more"
            raise UserError(
                f"the price of {model!r} has {key}: {value!r}, no price", file=str(file), mend=mend
            )
    whole = {"cached": given["prompt"], "batch": 1.0, **given}
    return Price(**{key: float(whole[key]) for key in _KEYS})
