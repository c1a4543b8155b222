"""How much each relation says about who will like an item: kernel weights learned by leaving items out.

The kernel between two items is a sum over the feature groups g, once as it is and once through a radial function:

    k(i, j) = a S(i, j) + b exp(-(S(i, i) + S(j, j) - 2 S(i, j)) / 1) + c,      S = sum_g w_g K_g

A Gaussian process with this kernel predicts an item's profile vector from the items like it. The weights w (automatic
relevance determination), a, b, c and the noise are chosen by gradient descent on the leave-one-out error, which has a
closed form (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.12): every item is scored as if
it were new, which is just what is wanted of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from coldplug.learn.posterior.features import ItemFeatures
from coldplug.types import FloatArray, IntArray

_BLOCK = 1024
_SUBSET = 800
"""Items in one step of the descent: enough neighbours, and a solve of a tenth of a second."""


@dataclass(frozen=True)
class Relevance:
    """Learned kernel: a weight each group, and the scales (a, b, c) of the linear, radial and constant parts, noise."""

    weights: dict[str, float]
    linear: float
    radial: float
    constant: float
    noise: float

    def kernel(self, items: ItemFeatures, others: ItemFeatures) -> FloatArray:
        """(n_items, n_others) kernel; bounded by one matrix of that size at a time beside the result."""
        total = np.zeros((items.count, others.count), np.float32)
        own = np.zeros(items.count, np.float32)
        theirs = np.zeros(others.count, np.float32)
        for group, weight in self.weights.items():
            part = items.kernel(group, others)
            part *= weight
            total += part
            own += weight * items.self_kernel(group)
            theirs += weight * others.self_kernel(group)
        distance = own[:, None] + theirs[None, :] - 2 * total
        return np.asarray(self.linear * total + self.radial * np.exp(-distance) + self.constant, np.float32)


def learn_relevance(features: ItemFeatures, targets: FloatArray, *, steps: int, seed: int) -> Relevance:
    """Fit the kernel to the anchors.

    Args:
        features: of the anchors.
        targets: (n_anchors, width) the vectors to be predicted, in units that may be compared.
        steps: of Adam (Kingma and Ba 2015), each on a random subset of the anchors. Few are better than many: the
            error is a squared one of vectors, not the order of items, and stopping early keeps the weights near equal.
    """
    import torch
    from torch.nn import functional

    rng = np.random.default_rng(seed)
    groups = features.groups
    if not groups:  # nothing is known of any item: each is as like the others as the next
        return Relevance({}, 0.0, 0.0, 1.0, 1.0)
    scale = float(np.sqrt((targets**2).sum(1).mean()))
    wanted = torch.from_numpy((targets / max(scale, 1e-9)).astype(np.float32))
    raw = torch.full((len(groups) + 4,), -0.5, requires_grad=True)
    with torch.no_grad():
        raw[-4:] = torch.tensor([0.0, 0.0, -1.0, 0.0])
    optimiser = torch.optim.Adam([raw], lr=0.1)
    for step in range(steps):
        for group in optimiser.param_groups:  # large steps to find the region, small ones to settle
            group["lr"] = 0.1 * (1 - step / steps) + 0.005
        chosen = np.sort(rng.choice(len(targets), min(_SUBSET, len(targets)), replace=False))
        part = features.rows(chosen)
        kernels = torch.from_numpy(np.stack([part.kernel(g, part) for g in groups]))
        weights = functional.softplus(raw)
        shared = torch.einsum("g,gij->ij", weights[:-4], kernels)
        diagonal = torch.diagonal(shared)
        distance = diagonal[:, None] + diagonal[None, :] - 2 * shared
        kernel = weights[-4] * shared + weights[-3] * torch.exp(-distance) + weights[-2]
        inverse = torch.linalg.inv(kernel + (weights[-1] + 1e-3) * torch.eye(len(chosen)))
        left_out = (inverse @ wanted[chosen]) / torch.diagonal(inverse)[:, None]
        loss = (left_out**2).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    final = functional.softplus(raw).detach().numpy().astype(float)
    found = {group: float(weight) for group, weight in zip(groups, final[:-4], strict=True)}
    linear, radial, constant, noise = final[-4:].tolist()
    return Relevance(found, linear, radial, constant, noise + 1e-3)


class ItemMap:
    """Predicts vectors of items never met from those of the anchors: v(new) = k(new, anchors) (K + noise)^-1 V."""

    def __init__(self, relevance: Relevance, anchors: ItemFeatures, vectors: FloatArray) -> None:
        """Factor the kernel of the anchors; `vectors` is (n_anchors, width), of all that is to be predicted."""
        self.relevance, self.anchors, self.vectors = relevance, anchors, vectors
        kernel = relevance.kernel(anchors, anchors)
        kernel[np.diag_indices_from(kernel)] += relevance.noise
        self._factor = cho_factor(kernel, overwrite_a=True, check_finite=False)
        self.mean = vectors.mean(0)
        self.weights: FloatArray = cho_solve(self._factor, vectors - self.mean, check_finite=False).astype(
            np.float32
        )

    def left_out(self, block: IntArray) -> FloatArray:
        """(n_block, width) vectors of some anchors, predicted from the other anchors alone.

        The block form of leave-one-out: V_B - (P_BB)^-1 P_B V with P the inverse of the regularised kernel.
        """
        picked = np.zeros((len(self.vectors), len(block)), np.float32)
        picked[block, np.arange(len(block))] = 1
        inverse = cho_solve(self._factor, picked, check_finite=False)[block]
        return (self.vectors[block] - np.linalg.solve(inverse, self.weights[block])).astype(np.float32)


def predict(
    relevance: Relevance, items: ItemFeatures, anchors: ItemFeatures, weights: FloatArray, mean: FloatArray
) -> FloatArray:
    """(n_items, width) vectors of new items from a map's weights, in blocks that bound the memory."""
    out = np.empty((items.count, weights.shape[1]), np.float32)
    for start in range(0, items.count, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, items.count))
        out[block] = mean + relevance.kernel(items.rows(block), anchors) @ weights
    return out
