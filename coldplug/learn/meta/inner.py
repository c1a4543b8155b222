"""The inner loop of learning by gradient: every task of a batch takes its own steps, all of them in one array operation.

Model-agnostic meta-learning (Finn, Abbeel and Levine 2017): from the same start w, task t takes a few steps down the
gradient of its loss on its own support, w_t = w - a grad L_t(w), and the start is trained so that w_t does well on the
task's query. `torch.func.grad` gives the gradient of one task's loss and `vmap` maps it over tasks, each with its own copy
of the weights, so there is no loop over tasks. The rates a are learned, one a layer (Li, Zhou, Chen and Li, Meta-SGD, 2017,
learn one a weight), and a task's gradient is shortened to a longest length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.func import grad, vmap

Weights = Mapping[str, torch.Tensor]


def adapted(
    loss: Callable[..., torch.Tensor],
    weights: Weights,
    task: tuple[torch.Tensor, ...],
    *,
    steps: int,
    rates: Weights,
    clip: float,
    second_order: bool,
) -> dict[str, torch.Tensor]:
    """One task's weights after `steps` steps.

    Args:
        loss: of (weights, *task), a scalar.
        weights: the start.
        task: what the loss is given besides.
        rates: step size of each weight.
        clip: longest gradient over all weights together.
        second_order: differentiate through the gradient; if not it is taken for a constant (first-order MAML).
    """
    found = dict(weights)
    for _ in range(steps):
        slopes = grad(loss)(found, *task)
        if not second_order:
            slopes = {name: slope.detach() for name, slope in slopes.items()}
        length = torch.stack([(slope**2).sum() for slope in slopes.values()]).sum().add(1e-12).sqrt()
        shorter = clip / length.clamp(min=clip)
        found = {name: found[name] - rates[name] * shorter * slopes[name] for name in found}
    return found


def adapted_all(
    loss: Callable[..., torch.Tensor], weights: Weights, tasks: tuple[torch.Tensor, ...], **how: Any
) -> dict[str, torch.Tensor]:
    """Every task's weights, (n_tasks, ...) each; the first dimension of `tasks` runs over tasks."""

    def one(*task: torch.Tensor) -> dict[str, torch.Tensor]:
        return adapted(loss, weights, task, **how)

    found: dict[str, torch.Tensor] = vmap(one)(*tasks)
    return found
