"""What training makes small: a multinomial loss for clicks, squared error for ratings."""

from __future__ import annotations

import torch
from torch.nn.functional import log_softmax

from coldplug.learn.meta.tasks import Episode

_OUT = -1e4


def clicks(logits: torch.Tensor, episode: Episode) -> torch.Tensor:
    """Multinomial negative log-likelihood of the query items among the candidates, the support left out.

    A user's grades are divided by the root of their sum rather than by the sum (which would give every user the same
    weight) or not at all (which would give long profiles all of it). An item shown and not taken is no negative; it is one
    candidate among all.
    """
    target = episode.target
    target = target / target.sum(1, keepdim=True).clamp(min=1.0).sqrt()
    logits = logits.masked_fill(episode.given > 0, _OUT)
    return -(target * log_softmax(logits, 1)).sum() / len(logits)


def ratings(predicted: torch.Tensor, episode: Episode) -> torch.Tensor:
    """Mean squared error of the standardised ratings of the query items, mean over users."""
    errors = ((predicted - episode.target) ** 2 * episode.asked).sum(1)
    return (errors / episode.asked.sum(1).clamp(min=1.0)).mean()


LOSSES = {"clicks": clicks, "ratings": ratings}
