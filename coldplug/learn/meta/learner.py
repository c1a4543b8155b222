"""The door that all learners of this folder share: fit, score, keep, read back, add items. A method adds its network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from coldplug.encode.attributes import AttributeEncoder
from coldplug.errors import ModelFormatError
from coldplug.learn.meta.content import ContentMap
from coldplug.learn.meta.fisher import Fisher, fisher_of
from coldplug.learn.meta.network import ItemInputs, Known, Network, Sizes, listed
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Episodes, Ratings, kept, padded, seen_values
from coldplug.learn.posterior.profiles import Profiles, RatingScale
from coldplug.learn.settings import checked
from coldplug.learn.threads import one_thread
from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData
from plugbase.errors import UserError

_MOST_ANCHORS = 50_000
_CELLS = 16_000_000
"""Numbers held at once while scoring."""
_FISHER = "fisher."
_CSR = ("data", "indices", "indptr")


def _silent(text: str) -> None:
    return None


class MetaLearner:
    """A network over item vectors and attributes, trained on episodes; see the package's docstring."""

    name: ClassVar[str]
    network_class: ClassVar[type[Network]]
    settings_class: ClassVar[type[MetaSettings]] = MetaSettings

    def __init__(
        self,
        settings: MetaSettings,
        scale: RatingScale,
        ratings: Ratings,
        encoder: AttributeEncoder,
        content_map: ContentMap,
        network: Network,
        content: FloatArray,
        column: IntArray,
        facts: sparse.csr_matrix | None,
    ) -> None:
        self.settings, self.scale, self.ratings, self.encoder = settings, scale, ratings, encoder
        self.content_map, self.network = content_map, network.eval()
        self.content, self.column, self.facts = content, column, facts
        self.fisher: Fisher = {}

    @classmethod
    def fit(
        cls, data: TrainingData, *, seed: int = 0, note: Callable[[str], None] = _silent, **settings: Any
    ) -> Self:
        """Learn from graph, attributes and interactions.

        Args:
            data: all that may be seen.
            seed: of every random draw; the same seed on the same data gives the same scores.
            note: called with the name of each stage as it begins.
            settings: fields of the method's settings class.

        Raises:
            UserError: a setting that does not exist or cannot be, or too little to learn from.
        """
        chosen = checked(cls.settings_class, settings)
        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls._fit(data, seed, note, chosen)

    @classmethod
    def _fit(cls, data: TrainingData, seed: int, note: Callable[[str], None], settings: MetaSettings) -> Self:
        scale = RatingScale.of(data)
        profiles = Profiles.of(data, scale, least=settings.least_positives, most=_MOST_ANCHORS)
        if profiles.shape[1] < 2:
            raise UserError(
                f"only {profiles.shape[1]} items have {settings.least_positives} positives or more",
                mend="train on more interactions, or lower the rating that counts as a positive (--positive-at)",
            )
        rows = data.interactions
        if settings.loss == "ratings" and np.isnan(rows.ratings).all():
            raise UserError(
                "the loss of ratings needs ratings", mend="add a column `rating`, or leave loss=clicks"
            )
        ratings = Ratings.of(rows.ratings, scale, settings.loss)
        encoder = AttributeEncoder.fit(data.user_attributes)
        attributes = encoder.transform([data.user_attributes[user] for user in profiles.users])
        note("content of items")
        content_map, content = ContentMap.fit(data.graph, profiles, seed)
        column = np.full(data.graph.n_items, -1, np.int64)
        column[profiles.anchors] = np.arange(len(profiles.anchors))
        values = seen_values(data, profiles, column, ratings)
        facts = content_map.facts(data.graph)
        sizes = Sizes(content_map.width, encoder.width, len(profiles.anchors), _relations(content_map))
        learner = cls(
            settings,
            scale,
            ratings,
            encoder,
            content_map,
            cls.network_class(settings, sizes),
            content,
            column,
            facts if cls.network_class.reads_facts else None,
        )
        note("training")
        known = Known(
            torch.from_numpy(_popularity(profiles, values, settings.loss)),
            torch.from_numpy(content[profiles.anchors]),
            torch.from_numpy(attributes),
            listed(facts[profiles.anchors]),
            profiles,
            values,
        )
        learner.network.begin(known)
        learner.train(known, seed)
        return learner

    def episodes(self, known: Known, seed: int) -> Episodes:
        """Episodes of the users that are known."""
        settings = self.settings
        return Episodes(
            known.profiles,
            known.attributes.numpy(),
            known.values,
            loss=settings.loss,
            batch=settings.batch,
            candidates=settings.candidates,
            seed=seed,
        )

    def train(
        self,
        known: Known,
        seed: int,
        *,
        steps: int | None = None,
        penalty: Callable[[], torch.Tensor] | None = None,
    ) -> list[float]:
        """Adam under a one-cycle rate (Smith and Topin 2019) on drawn episodes; returns the loss of each step.

        What the users settled is added to `fisher`. A `penalty` is added to the loss, and takes the place of the decay.
        """
        settings, network = self.settings, self.network.train()
        steps = steps or settings.steps
        episodes = self.episodes(known, seed)
        rng = np.random.default_rng(seed)
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        content = network.of_content()
        rest = [weight for weight in weights if all(weight is not other for other in content)]
        decay = settings.decay if penalty is None else 0.0
        groups = [{"params": content, "weight_decay": decay}, {"params": rest}]
        adam = torch.optim.AdamW(groups, lr=settings.rate, weight_decay=0.0, fused=True)
        warming = 0.1 if steps > 10 else 0.3  # a tenth of ten steps: torch divides by zero
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            adam, max_lr=settings.rate, total_steps=steps, pct_start=warming
        )
        told = []
        for _ in range(steps):
            episode = episodes.draw()
            inputs = self.inputs(episode.items, *kept(rng, len(episode.items), settings.id_dropout))
            loss = network.loss(episode, network.encode(inputs))
            if penalty is not None:
                loss = loss + penalty()
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, settings.clip)
            adam.step()
            schedule.step()
            told.append(float(loss.detach()))
        network.eval()
        settled = fisher_of(self, known, seed)
        self.fisher = {name: np.add(more, self.fisher.get(name, 0)) for name, more in settled.items()}
        return told

    def inputs(
        self, items: IntArray, known: FloatArray | None = None, met: FloatArray | None = None
    ) -> ItemInputs:
        """Items by number as a network is given them; `known` and `met` (n,) leave own vectors out where 0."""
        column = self.column[items]
        own = (column >= 0).astype(np.float32)
        return ItemInputs(
            torch.from_numpy(self.content[items]),
            torch.from_numpy(np.maximum(column, 0)),
            torch.from_numpy(own if known is None else own * known),
            torch.from_numpy(own if met is None else own * met),
            None if self.facts is None else listed(self.facts[items]),
        )

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items) float32 logits, or ratings under the loss of ratings, of old and of new items."""
        out = np.zeros((len(queries), len(items)), np.float32)
        encoded = self.encoder.transform([query.attributes for query in queries])
        supports = [query.items for query in queries]
        mentioned = np.unique(np.concatenate([np.asarray(items, np.int64), *supports]))
        position = np.zeros(len(self.column), np.int64)
        position[mentioned] = np.arange(len(mentioned))
        if not out.size:
            return out
        with torch.inference_mode(), one_thread():
            found = self.network.encode(self.inputs(mentioned))
            wanted = torch.from_numpy(position[items])
            for rows in _batches([len(support) for support in supports], len(items), self.network.cells):
                tasks = padded([queries[row] for row in rows], encoded[rows], self.ratings, position)
                out[rows] = self.network(tasks, found, wanted).numpy()
        if self.settings.loss == "ratings":
            out = out * np.float32(self.ratings.deviation) + np.float32(self.ratings.mean)
        return out

    def predict_ratings(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items) ratings in the units of the training.

        Raises:
            UserError: the model was trained to rank.
        """
        if self.settings.loss != "ratings":
            raise UserError(f"{self.name} was trained to rank", mend="train it with the setting loss=ratings")
        return self.score(queries, items)

    def add_items(self, graph: ItemGraph) -> None:
        """Append items described by a graph of their own; they score from their content, nothing is retrained."""
        self.content = np.concatenate([self.content, self.content_map.rows(graph)])
        if self.facts is not None:
            grown = sparse.vstack([self.facts, self.content_map.facts(graph)])
            self.facts = sparse.csr_matrix(grown)
        self.column = np.concatenate([self.column, np.full(graph.n_items, -1, np.int64)])

    def update(self, data: TrainingData, *, seed: int = 0, note: Callable[[str], None] = _silent) -> None:
        """Learn from new users without forgetting those of the training; see `UpdatableLearner` and `update.py`."""
        from coldplug.learn.meta.update import update

        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            update(self, data, seed=seed, note=note)

    def is_new(self, item: int) -> bool:
        """Whether the item has no vector of its own and is scored by its content alone."""
        return bool(self.column[item] < 0)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, list[str]]]:
        """JSON-able settings, arrays, and lists of texts: what a model folder holds."""
        meta, arrays, texts = self.content_map.to_state()
        arrays |= {"items.content": self.content, "items.column": self.column}
        if self.facts is not None:
            arrays |= {f"items.facts.{part}": getattr(self.facts, part) for part in _CSR}
        arrays |= {
            f"network.{name}": tensor.detach().numpy() for name, tensor in self.network.state_dict().items()
        }
        arrays |= {f"{_FISHER}{name}": settled for name, settled in self.fisher.items()}
        described = {
            "settings": self.settings.model_dump(),
            "scale": [self.scale.positive_at, self.scale.lowest, self.scale.highest],
            "ratings": [self.ratings.mean, self.ratings.deviation],
            "attributes": self.encoder.state(),
            "content": meta,
            "anchors": self.network.sizes.anchors,
        }
        return described, arrays, texts

    @classmethod
    def from_state(
        cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
    ) -> Self:
        """The learner that `to_state` took apart.

        Raises:
            ModelFormatError: something is missing or of the wrong kind.
        """
        try:
            settings = cls.settings_class(**meta["settings"])
            scale = RatingScale(*meta["scale"])
            encoder = AttributeEncoder.from_state(meta["attributes"])
            content_map = ContentMap.from_state(meta["content"], arrays, texts)
            relations = _relations(content_map)
            sizes = Sizes(content_map.width, encoder.width, int(meta["anchors"]), relations)
            with torch.random.fork_rng(devices=[]):
                network = cls.network_class(settings, sizes)
            prefix = "network."
            weights = {
                name[len(prefix) :]: torch.from_numpy(np.array(array))
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            network.load_state_dict(weights)
            ratings = Ratings(scale, settings.loss, *map(float, meta["ratings"]))
            content, column = np.array(arrays["items.content"]), np.array(arrays["items.column"])
            if content.shape != (len(column), content_map.width):
                raise ValueError(f"content of shape {content.shape}")
            facts = None
            if network.reads_facts:
                parts = tuple(np.array(arrays[f"items.facts.{part}"]) for part in _CSR)
                facts = sparse.csr_matrix(parts, shape=(len(column), sum(relations)))
            learner = cls(settings, scale, ratings, encoder, content_map, network, content, column, facts)
            learner.fisher = {
                name: np.array(arrays[f"{_FISHER}{name}"]).reshape(weight.shape)
                for name, weight in network.named_parameters()
                if weight.requires_grad and f"{_FISHER}{name}" in arrays
            }
            return learner
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise ModelFormatError(
                f"not the state of a {cls.name} model: {error!r}", mend="train it again"
            ) from error


def _relations(content_map: ContentMap) -> tuple[int, ...]:
    return tuple(len(values) for values in content_map.vocabulary.columns.values())


def _popularity(profiles: Profiles, values: sparse.csr_matrix, loss: str) -> FloatArray:
    """(n_anchors,) what `Known.popularity` is."""
    if loss == "ratings":
        counts = np.diff(values.tocsc().indptr)
        return np.asarray(np.asarray(values.sum(0)).ravel() / (counts + 10.0), np.float32)
    liked = np.asarray(profiles.liked.sum(0)).ravel() + 1.0
    return np.asarray(np.log(liked / liked.mean()), np.float32)


def _batches(sizes: Sequence[int], n_items: int, cells: int) -> Iterator[list[int]]:
    """Rows in batches of bounded memory, those with supports of like sizes together, to pad little."""
    order = np.argsort(np.array(sizes), kind="stable").tolist()
    while order:
        longest = max(sizes[order[-1]], 1)
        count = max(1, _CELLS // (max(n_items, longest) * max(cells, 1)))
        yield order[-count:]
        order = order[:-count]
