"""Learning by gradient from the support: MAML, its first-order form, and MeLU, in which only the decision layers move.

All three score an item by the same small network over the user's and the item's vectors (MeLU: Lee, Im, Jang, Cho and
Chung 2019), here with the inner product of the two beside it and the item's vector handed on to the last layer, so that the
weights there are a user vector too:

    u = A x + a        v = W content + own        h = relu(V2 relu(V1 v + U1 u + b1) + b2)
    score = w . [h, v] + u . v + bias

and all take the same inner steps on the support (inner.py):

* maml: every layer moves, the projections A and W of attributes and content too (Finn, Abbeel and Levine 2017);
* fomaml: the same without second derivatives;
* melu: embeddings stay as they are, the decision layers move (Lee et al.).

The support's loss under clicks is a multinomial one, each support item against a background of items drawn once: without
others beside it a click alone would only say that the user likes things. Divided by k + c with c learned, so that one
click moves less than ten. An empty support moves nothing.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.func import vmap

from coldplug.learn.meta.inner import Weights, adapted_all
from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.network import ItemInputs, Items, Known, Network, Sizes
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks

BACKGROUND = 192
"""Items that support items are compared with in the inner loss."""


class MeLUSettings(MetaSettings):
    """Those of all learners, and the inner loop's."""

    dim: int = Field(32, ge=1, description="length of user and item vectors")
    steps: int = Field(400, ge=1, description="training batches")
    batch: int = Field(32, ge=1, description="users, that is tasks, in one batch")
    candidates: int = Field(768, ge=2, description="items ranked in one batch; all of them where fewer")
    hidden: int = Field(32, ge=1, description="width of the decision layers")
    inner_steps: int = Field(2, ge=1, description="steps of gradient a user takes on their support")
    inner_rate: float = Field(0.3, gt=0, description="their size at the start")
    learn_rates: bool = Field(True, description="learn a size for each layer")
    inner_clip: float = Field(10.0, gt=0, description="longest gradient of an inner step")


class MAMLSettings(MeLUSettings):
    """The same with smaller steps: a step of the projections moves every item at once."""

    inner_rate: float = Field(0.05, gt=0, description="their size at the start")
    inner_clip: float = Field(1.0, gt=0, description="longest gradient of an inner step")


class DecisionNetwork(Network):
    """The network of the formulas above, and its inner loop."""

    keys = False
    moving: ClassVar[tuple[str, ...]] = ("first", "first_user", "first_bias", "second", "second_bias", "last")
    second_order: ClassVar[bool] = True
    settings: MeLUSettings

    def __init__(self, settings: MeLUSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        dim, hidden = settings.dim, settings.hidden
        self.cells = 3 * (dim + hidden)
        shapes = {
            "attributes": (sizes.attributes, dim),
            "offset": (dim,),
            "content": (sizes.content, dim),
            "first": (dim, hidden),
            "first_user": (dim, hidden),
            "first_bias": (hidden,),
            "second": (hidden, hidden),
            "second_bias": (hidden,),
            "last": (hidden + dim,),
        }
        still = ("offset", "first_bias", "second_bias", "last", "attributes")
        self.layers = nn.ParameterDict(
            {
                name: nn.Parameter(
                    torch.zeros(shape) if name in still else torch.randn(shape) / max(shape[0], 1) ** 0.5
                )
                for name, shape in shapes.items()
            }
        )
        with torch.no_grad():
            self.layers["content"] *= 0.1 / dim**0.5
            self.layers["last"][:hidden] = 0.1 * torch.randn(hidden)
        self.log_rates = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(settings.inner_rate).log()) for name in self.moving}
        ).requires_grad_(settings.learn_rates)
        background = min(BACKGROUND, sizes.anchors)
        self.register_buffer("background", torch.zeros(background, dtype=torch.long))
        self.register_buffer("background_content", torch.zeros(background, sizes.content))

    def begin(self, known: Known) -> None:
        """Draw the background."""
        super().begin(known)
        drawn = torch.randperm(self.sizes.anchors)[: len(self.background)]
        self.background.copy_(drawn)
        self.background_content.copy_(known.content[drawn])

    def of_content(self) -> list[nn.Parameter]:
        """The projection of the content, and the biases."""
        return [*super().of_content(), self.layers["content"]]

    def encode(self, inputs: ItemInputs) -> Items:
        """Content as it is and the items' own vectors beside it: the projection of the content may move."""
        own, bias = self.encoder.own(inputs.column), self.encoder.own_bias(inputs.column)[:, 0]
        told = inputs.content @ self.encoder.content.weight[-1]
        return Items(
            torch.cat([inputs.content, inputs.known[:, None] * own], 1),
            torch.cat([inputs.content, inputs.met[:, None] * own], 1),
            told + inputs.known * bias,
            told + inputs.met * bias,
        )

    def forward(self, tasks: Tasks, items: Items, wanted: torch.Tensor) -> torch.Tensor:
        """(n_tasks, n_wanted): each task's weights after its support, on the wanted items."""
        moved = self.moved(tasks, items)
        among, bias = items.values[wanted], items.bias[wanted]

        def one(weights: Weights, attributes: torch.Tensor) -> torch.Tensor:
            return self.scores(weights, attributes, among) + bias

        scores: torch.Tensor = vmap(one)(moved, tasks.attributes)
        return scores + self.lenience(tasks, items) if self.settings.loss == "ratings" else scores

    def moved(self, tasks: Tasks, items: Items) -> dict[str, torch.Tensor]:
        """Name of each moving layer -> (n_tasks, ...) weights."""
        everyone = torch.cat([self.background_content, self.encoder.own(self.background)], 1)
        bias = self.background_content @ self.encoder.content.weight[-1]
        bias = bias + self.encoder.own_bias(self.background)[:, 0]
        doubt, of_ratings = self.doubt.exp(), self.settings.loss == "ratings"

        def loss(weights: Weights, *task: torch.Tensor) -> torch.Tensor:
            attributes, mine, my_bias, grades, mask, lenience = task
            scores = self.scores(weights, attributes, mine) + my_bias
            if of_ratings:
                return ((scores + lenience - grades) ** 2 * mask).sum() / (mask.sum() + doubt)
            others = self.scores(weights, attributes, everyone) + bias
            both = torch.cat([others, scores.masked_fill(mask == 0, -1e4)])
            return (grades * mask * (both.logsumexp(0) - scores)).sum() / (mask.sum() + doubt)

        lenience = self.lenience(tasks, items)[:, 0]
        return adapted_all(
            loss,
            {name: self.layers[name] for name in self.moving},
            (
                tasks.attributes,
                items.keys[tasks.items],
                items.key_bias[tasks.items],
                tasks.grades,
                tasks.mask,
                lenience,
            ),
            steps=self.settings.inner_steps,
            rates={name: rate.exp() for name, rate in self.log_rates.items()},
            clip=self.settings.inner_clip,
            second_order=self.second_order,
        )

    def scores(self, moved: Weights, attributes: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """(n,) of one task: layers that moved in place of those that all share."""
        layer = {name: moved.get(name, shared) for name, shared in self.layers.items()}
        user = attributes @ layer["attributes"] + layer["offset"]
        content, own = items[:, : self.sizes.content], items[:, self.sizes.content :]
        item = content @ layer["content"] + own
        hidden = torch.relu(item @ layer["first"] + user @ layer["first_user"] + layer["first_bias"])
        hidden = torch.relu(hidden @ layer["second"] + layer["second_bias"])
        width = self.settings.hidden
        return hidden @ layer["last"][:width] + item @ (layer["last"][width:] + user)


class WholeNetwork(DecisionNetwork):
    """Every layer moves."""

    moving = ("attributes", "offset", "content", *DecisionNetwork.moving)


class FirstOrderNetwork(WholeNetwork):
    """Every layer moves, and the gradient is taken for a constant."""

    second_order = False


class MAML(MetaLearner):
    """Model-agnostic meta-learning, second order."""

    name = "maml"
    network_class = WholeNetwork
    settings_class = MAMLSettings


class FOMAML(MetaLearner):
    """Model-agnostic meta-learning, first order."""

    name = "fomaml"
    network_class = FirstOrderNetwork
    settings_class = MAMLSettings


class MeLU(MetaLearner):
    """Meta-learned user preference estimator."""

    name = "melu"
    network_class = DecisionNetwork
    settings_class = MeLUSettings
