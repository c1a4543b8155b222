"""How much each relation says about who will like an item: kernel weights learned by leaving items out.

What the catalogue states of an item it states of all, so that another genre, director or year sets two items apart. What
a text says it says of some: of two films whose plots name no war, neither is known to be without one. So the kernel
between two items compares them by what is stated (S), once as it is and once through a radial function, while facts that
were read out of texts (T) only ever bring two items together:

    k(i, j) = a S(i, j) + b exp(-(S(i, i) + S(j, j) - 2 S(i, j))) + T(i, j) + c

    S = sum over stated groups g of w_g K_g,      T = the same over the groups read from texts

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
_STATED_AT_FIRST = 2.0
"""Sum of the stated groups' weights to begin with. Were it to grow with their number, the radial part would see every
item far from every other as soon as a graph has many relations."""
_READ_AT_FIRST = 0.05
"""Weight of each group read from texts to begin with: it has to earn more."""
_SCALES_AT_FIRST = (0.7, 0.7, 0.3, 0.7)
"""Of the linear, radial and constant parts and of the noise."""
_RATE = 0.1
_LEAST_NOISE = 1e-3


@dataclass(frozen=True)
class Relevance:
    """Learned kernel: a weight each group, and the scales (a, b, c) of the linear, radial and constant parts, noise."""

    weights: dict[str, float]
    read: frozenset[str]
    """The groups that were read from texts; all others are stated."""
    linear: float
    radial: float
    constant: float
    noise: float

    def kernel(self, items: ItemFeatures, others: ItemFeatures) -> FloatArray:
        """(n_items, n_others) kernel; bounded by two matrices of that size at a time beside the result."""
        shared = np.zeros((items.count, others.count), np.float32)
        alike = np.full_like(shared, self.constant)
        own = np.zeros(items.count, np.float32)
        theirs = np.zeros(others.count, np.float32)
        for group, weight in self.weights.items():
            part = items.kernel(group, others)
            part *= weight
            if group in self.read:
                alike += part
                continue
            shared += part
            own += weight * items.self_kernel(group)
            theirs += weight * others.self_kernel(group)
        alike += self.linear * shared
        shared *= 2
        shared -= own[:, None]
        shared -= theirs[None, :]
        alike += self.radial * np.exp(shared, out=shared)
        return alike


def learn_relevance(
    features: ItemFeatures, targets: FloatArray, *, read: frozenset[str], steps: int, seed: int
) -> Relevance:
    """Fit the kernel to the anchors.

    Args:
        features: of the anchors.
        targets: (n_anchors, width) the vectors to be predicted, in units that may be compared.
        read: the groups that were read from texts.
        steps: of Adam (Kingma and Ba 2015), each on a random subset of the anchors. Few are better than many: the
            error is a squared one of vectors, not the order of items, and stopping early keeps the weights near equal.
    """
    import torch

    rng = np.random.default_rng(seed)
    groups = features.groups
    if not groups:  # nothing is known of any item: each is as like the others as the next
        return Relevance({}, frozenset(), 0.0, 0.0, 1.0, 1.0)
    scale = float(np.sqrt((targets**2).sum(1).mean()))
    wanted = torch.from_numpy((targets / max(scale, 1e-9)).astype(np.float32))
    stated = torch.tensor([group not in read for group in groups])
    first = [_READ_AT_FIRST if group in read else _STATED_AT_FIRST / int(stated.sum()) for group in groups]
    raw = torch.tensor(np.log([*first, *_SCALES_AT_FIRST]), dtype=torch.float32, requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=_RATE)
    for step in range(steps):
        for group in optimiser.param_groups:  # large steps to find the region, small ones to settle
            group["lr"] = _RATE * (1 - step / steps) + _RATE / 20
        chosen = np.sort(rng.choice(len(targets), min(_SUBSET, len(targets)), replace=False))
        part = features.rows(chosen)
        kernels = torch.from_numpy(np.stack([part.kernel(g, part) for g in groups]))
        weights = torch.exp(raw)
        linear, radial, constant, noise = weights[-4:]
        shared = torch.einsum("g,gij->ij", weights[:-4] * stated, kernels)
        said = torch.einsum("g,gij->ij", weights[:-4] * ~stated, kernels)
        diagonal = torch.diagonal(shared)
        distance = diagonal[:, None] + diagonal[None, :] - 2 * shared
        kernel = linear * shared + radial * torch.exp(-distance) + said + constant
        inverse = torch.linalg.inv(kernel + (noise + _LEAST_NOISE) * torch.eye(len(chosen)))
        left_out = (inverse @ wanted[chosen]) / torch.diagonal(inverse)[:, None]
        loss = (left_out**2).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    final = torch.exp(raw).detach().numpy().astype(float)
    found = {group: float(weight) for group, weight in zip(groups, final[:-4], strict=True)}
    linear, radial, constant, noise = final[-4:].tolist()
    return Relevance(found, read & set(groups), linear, radial, constant, noise + _LEAST_NOISE)


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
