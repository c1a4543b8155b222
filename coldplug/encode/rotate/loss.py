"""The loss of a batch of facts against the corrupted facts that it shares, and its gradient, written out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_NEVER = -1e9
_TINY = 1e-12


def gradient(
    block: Any,
    turns: Any,
    place: Sequence[Any],
    which: Sequence[Any],
    true: Sequence[Any],
    shares: Sequence[float],
    weights: Any,
    temperature: float | None,
    penalty: float,
    absent: Sequence[float],
    margin: float | None,
) -> tuple[float, Any, Any]:
    """The mean loss of a batch, and its gradient by the rows and angles that the batch touches.

    Args:
        block: (n, 2 dim + 1) tensor of entity rows, the last column the bias.
        turns: (m, dim) angles.
        place: rows of `block`: of the heads, the tails, the other heads, the other tails.
        which: rows of `turns`: of the relations, the other relations.
        true: by side (head, relation, tail), (batch, n_drawn) True where a corrupted fact is none.
        shares: by side, its weight in the loss; 0 leaves it out.
        weights: (batch, 1) of the facts, or None.
        temperature: None for the softmax.
        penalty: on the squared lengths of h and t.
        absent: by side, the log of how many candidates each one drawn stands for; the softmax alone counts them.
        margin: a fact scores margin - distance, and biases are 0; None: biases - distance^2.
    """
    import torch

    dim = turns.shape[1]
    h, t, other_h, other_t = (block[rows] for rows in place)
    (h, b_h), (t, b_t) = (h[:, :-1], h[:, -1:]), (t[:, :-1], t[:, -1:])
    cosines, sines = turns.cos(), turns.sin()
    c, s = cosines[which[0]], sines[which[0]]
    ahead, back = _turned(h, c, s), _turned(t, c, -s)
    gap = ahead - t
    own = b_h + b_t - (gap * gap).sum(1, keepdim=True)
    slopes, loss = torch.zeros_like(block), block.new_zeros(())
    pull, push_h, push_t = (torch.zeros_like(own) for _ in range(3))
    d_h, d_t, d_ahead, d_back = (torch.zeros_like(h) for _ in range(4))
    angle_slopes = torch.zeros_like(turns)
    for centres, bias, others, rows, d_centres, push_bias, side in (
        (back, b_t, other_h, place[2], d_back, push_t, 0),
        (ahead, b_h, other_t, place[3], d_ahead, push_h, 2),
    ):
        if not shares[side]:
            continue
        x = others[:, :-1]
        scores = torch.addmm((others[:, -1] - (x * x).sum(1)), centres, x.T, alpha=2)
        scores += bias - (centres * centres).sum(1, keepdim=True)
        part, pulled, pushed = _contest(
            own, scores, true[side], weights, temperature, shares[side], absent[side], margin
        )
        loss += part
        pull += pulled
        by_fact, by_other = pushed.sum(1, keepdim=True), pushed.sum(0)[:, None]
        # d(score)/d(centre) = -2 (centre - other), and the other way round.
        d_centres += 2 * (torch.mm(pushed, x) - by_fact * centres)
        push_bias += by_fact
        slopes.index_add_(0, rows, torch.hstack([2 * (torch.mm(pushed.T, centres) - by_other * x), by_other]))
    if shares[1]:
        # ||h o r - t||^2 = ||h||^2 + ||t||^2 - 2 Re(conj(r) (t o conj(h))), which is linear in r.
        z = _turned(t, h[:, :dim], -h[:, dim:])
        turned = torch.hstack([cosines[which[1]], sines[which[1]]])
        scores = torch.mm(z, turned.T).mul_(2) + (
            b_h + b_t - (h * h).sum(1, keepdim=True) - (t * t).sum(1, keepdim=True)
        )
        part, pulled, pushed = _contest(
            own, scores, true[1], weights, temperature, shares[1], absent[1], margin
        )
        loss += part
        pull += pulled
        by_fact, mixed = pushed.sum(1, keepdim=True), torch.mm(pushed, turned)
        push_h += by_fact
        push_t += by_fact
        real, imaginary = mixed[:, :dim], mixed[:, dim:]
        d_h += 2 * (_turned(t, real, -imaginary) - by_fact * h)
        d_t += 2 * (_turned(h, real, imaginary) - by_fact * t)
        d_turned = 2 * torch.mm(pushed.T, z)
        angle_slopes.index_add_(
            0,
            which[1],
            cosines[which[1]] * d_turned[:, dim:] - sines[which[1]] * d_turned[:, :dim],
        )
    if penalty:
        loss += penalty * ((h * h).sum() + (t * t).sum())
        d_h += 2 * penalty * h
        d_t += 2 * penalty * t
    # d(own)/d(ahead) = -2 gap and d(own)/d(t) = 2 gap; own is to rise by `pull`.
    d_ahead += 2 * pull * gap
    d_t -= 2 * pull * gap
    d_h += _turned(d_ahead, c, -s)
    d_t += _turned(d_back, c, s)
    d_angles = _crossed(ahead, d_ahead, dim) - _crossed(back, d_back, dim)
    slopes.index_add_(0, place[0], torch.hstack([d_h, push_h - pull]))
    slopes.index_add_(0, place[1], torch.hstack([d_t, push_t - pull]))
    angle_slopes.index_add_(0, which[0], d_angles)
    return float(loss) / len(own), slopes.div_(len(own)), angle_slopes.div_(len(own))


def _contest(
    own: Any,
    scores: Any,
    true: Any,
    weights: Any,
    temperature: float | None,
    share: float,
    absent: float,
    margin: float | None,
) -> tuple[Any, Any, Any]:
    """The summed loss of true facts against corrupted ones, -d loss / d `own`, and d loss / d `scores`."""
    import torch
    from torch.nn.functional import logsigmoid

    factor = share if weights is None else share * weights
    slope: Any = factor
    push_slope: Any = factor
    if margin is not None:
        near, far = own.neg().clamp_min(_TINY).sqrt(), scores.neg().clamp_min(_TINY).sqrt()
        own, scores = margin - near, margin - far
        # d(-distance) / d(-distance^2)
        slope, push_slope = factor / (2 * near), factor / (2 * far)
    if temperature is None:
        logs = torch.hstack([own, scores.add_(absent).masked_fill_(true, _NEVER)]).log_softmax(1)
        losses = -logs[:, :1].clone()
        chances = logs.exp_()
        pull, push = 1 - chances[:, :1], chances[:, 1:]
    else:
        chances = (temperature * scores).masked_fill_(true, _NEVER).softmax(1).masked_fill_(true, 0)
        losses = -logsigmoid(own) - (chances * logsigmoid(-scores)).sum(1, keepdim=True)
        pull, push = torch.sigmoid(-own), chances * torch.sigmoid(scores)
    return (losses * factor).sum(), pull * slope, push * push_slope


def _turned(rows: Any, cosines: Any, sines: Any) -> Any:
    """Complex products of rows (real parts first) and cosines + i sines."""
    import torch

    dim = cosines.shape[1]
    real, imaginary = rows[:, :dim], rows[:, dim:]
    turned = torch.empty_like(rows)
    torch.mul(real, cosines, out=turned[:, :dim]).addcmul_(imaginary, sines, value=-1)
    torch.mul(real, sines, out=turned[:, dim:]).addcmul_(imaginary, cosines)
    return turned


def _crossed(rows: Any, slopes: Any, dim: int) -> Any:
    """What turning the rows further adds to the loss whose slope by them is given."""
    return rows[:, :dim] * slopes[:, dim:] - rows[:, dim:] * slopes[:, :dim]
