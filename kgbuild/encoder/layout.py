"""An encoder made ready for reading: its weights laid out once as this processor multiplies them.

A product with weights as they are stored rearranges them at every call. oneDNN, which torch brings along, can be handed
weights that are laid out already; no such product rounds a row otherwise for the rows beside it (see
`packed.rows_are_apart`). An encoder that was laid out cannot be trained any further.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgbuild.encoder.bert import Bert

_ROWS = 512
"""Rows that the layout is meant for; any number can be multiplied."""
_LEAST = 128
"""Maps with fewer inputs or outputs stay as they are."""


def lay_out(encoder: Bert) -> None:
    """Exchange the linear maps of an encoder for laid-out ones, in place, where the library has them."""
    for layer in encoder.encoder.layer:
        middle = layer.intermediate
        if isinstance(middle.activation, nn.GELU) and _takes(middle.dense):
            middle.dense, middle.activation = _LaidOut(middle.dense, "gelu"), nn.Identity()
        for module in list(layer.modules()):
            for name, child in list(module.named_children()):
                setattr(module, name, laid_out(child))


def laid_out(module: nn.Module) -> nn.Module:
    """A linear map that does the same with laid-out weights, where the library has it; what else there is stays."""
    return _LaidOut(module) if isinstance(module, nn.Linear) and _takes(module) else module


def _takes(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) and min(module.weight.shape) >= _LEAST and _offered()


class _LaidOut(nn.Module):
    """A linear map, or one with GELU after it; the weights that it was made of are not kept.

    Args:
        linear: with a bias.
        then: "gelu", or "none".
    """

    def __init__(self, linear: nn.Linear, then: str = "none") -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _ROWS)
        self._bias = linear.bias.detach()
        self._then: tuple[str, list[float], str] = (then, [], "none" if then == "gelu" else "")

    def forward(self, rows: Tensor) -> Tensor:
        """The map of (..., in) to (..., out)."""
        mapped: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, *self._then)
        return mapped


@cache
def _offered() -> bool:
    """Whether the product is there, takes what it is given here, and means the same.

    It has no public name: torch's compiler writes calls to it. Where it is missing or changes, the maps stay as they are.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    draw = torch.Generator().manual_seed(0)
    linear, rows = nn.Linear(_LEAST, _LEAST), torch.randn(40, _LEAST, generator=draw)
    with torch.inference_mode():
        plain = linear(rows)
        try:
            same = (
                torch.allclose(_LaidOut(linear)(rows), plain, atol=1e-4),
                torch.allclose(_LaidOut(linear, "gelu")(rows), functional.gelu(plain), atol=1e-4),
            )
        except (AttributeError, RuntimeError, TypeError):
            return False
    return all(same)
