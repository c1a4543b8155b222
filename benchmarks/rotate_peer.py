"""PyKEEN's RotatE, run by rotate_kgc.py in an environment that has PyKEEN: trains until it is told to stop.

    PYTHON benchmarks/rotate_peer.py TRAIN.npz STOP OUT.npz --dim 200 --negatives 64 --rate 0.001

Prints `ready` when the first batch is done, trains until the file STOP is there, and writes the embeddings to OUT.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pykeen
import torch
from pykeen.losses import NSSALoss
from pykeen.models import RotatE
from pykeen.training import SLCWATrainingLoop
from pykeen.training.callbacks import TrainingCallback
from pykeen.triples import CoreTriplesFactory


class Told(Exception):
    """The time is up."""


class UntilTold(TrainingCallback):  # type: ignore[misc]
    """Counts facts and stops when the file is there."""

    def __init__(self, stop: Path) -> None:
        super().__init__()
        self.stop, self.facts, self.wall, self.processor = stop, 0, 0.0, 0.0

    def on_batch(self, epoch: int, batch: Any, batch_loss: float, **rest: Any) -> None:
        if self.wall == 0.0:
            # What happens once, such as the first allocation, is not counted against it.
            self.wall, self.processor = time.perf_counter(), time.process_time()
            print("ready", flush=True)
        else:
            self.facts += len(batch["positives"]) if isinstance(batch, dict) else len(batch[0])
        if self.stop.exists():
            raise Told


def main() -> None:
    """Train, stop, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("stop", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--negatives", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    facts = np.load(chosen.train)
    factory = CoreTriplesFactory.create(
        torch.from_numpy(facts["triples"]),
        num_entities=int(facts["n_entities"]),
        num_relations=int(facts["n_relations"]),
    )
    model = RotatE(
        triples_factory=factory,
        embedding_dim=chosen.dim,
        loss=NSSALoss(margin=9.0, adversarial_temperature=1.0),
        random_seed=0,
    )
    loop = SLCWATrainingLoop(
        model=model,
        triples_factory=factory,
        optimizer=torch.optim.Adam(model.parameters(), lr=chosen.rate),
        negative_sampler="basic",
        negative_sampler_kwargs={"num_negs_per_pos": chosen.negatives},
    )
    told = UntilTold(chosen.stop)
    try:
        loop.train(
            factory,
            num_epochs=10_000,
            batch_size=1024,
            use_tqdm=False,
            use_tqdm_batch=False,
            callbacks=told,
        )
    except Told:
        wall, processor = time.perf_counter() - told.wall, time.process_time() - told.processor
    with torch.inference_mode():
        entities = model.entity_representations[0](None).numpy()
        relations = model.relation_representations[0](None).numpy()
    np.savez(
        chosen.out,
        entities=np.hstack([entities.real, entities.imag]),
        relations=np.hstack([relations.real, relations.imag]),
        facts=told.facts,
        wall=wall,
        processor=processor,
        version=pykeen.get_version(),
    )


if __name__ == "__main__":
    main()
