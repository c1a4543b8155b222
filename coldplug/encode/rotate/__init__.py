"""RotatE: embeddings of a graph in which a relation is a rotation, and of a new entity from its facts alone."""

from coldplug.encode.rotate.embedding import GraphEmbedding
from coldplug.encode.rotate.facts import Triples, Truth
from coldplug.encode.rotate.guess import Guess, Guesser, fit_guesser
from coldplug.encode.rotate.items import RotatE
from coldplug.encode.rotate.items_training import (
    DIM,
    EPOCHS,
    LEARNING_RATE,
    MARGIN,
    NEGATIVES,
    TEMPERATURE,
    Training,
    fit_rotate,
    shared_values,
    train_rotate,
)
from coldplug.encode.rotate.training import RotatESettings, train_triples

__all__ = [
    "DIM",
    "EPOCHS",
    "LEARNING_RATE",
    "MARGIN",
    "NEGATIVES",
    "TEMPERATURE",
    "GraphEmbedding",
    "Guess",
    "Guesser",
    "RotatE",
    "RotatESettings",
    "Training",
    "Triples",
    "Truth",
    "fit_guesser",
    "fit_rotate",
    "shared_values",
    "train_rotate",
    "train_triples",
]
