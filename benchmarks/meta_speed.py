"""Tasks a second of the vectorised inner loop, beside a loop over tasks in Python that does the same arithmetic.

    python benchmarks/meta_speed.py     writes benchmarks/meta-speed.json

One training step of MeLU's network (coldplug/learn/meta/maml.py) on made tasks: inner steps on each task's support, squared
error of the query's ratings, and the gradient of that with respect to the start. The loop takes the same steps task by task
with torch.autograd.grad. Both give the same loss and gradient, which is checked before anything is timed. Times are CPU
seconds of one thread, so that a busy machine does not change them; the median of several runs.
"""

from __future__ import annotations

import os

# Before torch starts its threads: one core is what is measured.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from coldplug.learn.meta.maml import DecisionNetwork, FirstOrderNetwork, MAMLSettings, WholeNetwork
from coldplug.learn.meta.network import ItemInputs, Items, Sizes
from coldplug.learn.meta.tasks import Tasks

STORED = Path(__file__).with_name("meta-speed.json")
SIZES = Sizes(content=100, attributes=60, anchors=2000)
ITEMS, QUERY = 300, 10
USUAL = {"batch": 64, "support": 10, "width": 32}
SWEEPS = {"batch": (1, 4, 16, 64, 256), "support": (1, 5, 10, 20, 40), "width": (16, 32, 64, 128)}
RUNS, LEAST_SECONDS = 5, 0.2
METHODS = {"melu": DecisionNetwork, "maml": WholeNetwork, "fomaml": FirstOrderNetwork}


def main() -> int:
    """Measure, store and print."""
    torch.set_num_threads(1)
    rows = []
    for method in METHODS:
        rows.append(measured(method, **USUAL))
        print(told(rows[-1]), flush=True)
    for name, sizes in SWEEPS.items():
        for size in sizes:
            rows.append(measured("melu", **(USUAL | {name: size})) | {"sweep": name})
            print(told(rows[-1]), flush=True)
    stored = {
        "command": "python benchmarks/meta_speed.py",
        "machine": f"{platform.machine()}, one thread, CPU seconds",
        "torch": torch.__version__,
        "inner_steps": MAMLSettings().inner_steps,
        "query": QUERY,
        "rows": rows,
    }
    STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return 0


def measured(method: str, *, batch: int, support: int, width: int) -> dict[str, Any]:
    """Tasks a second of both ways at one size, after checking that they agree."""
    torch.manual_seed(0)
    settings = MAMLSettings(loss="ratings", dim=width, hidden=width, inner_rate=0.05)
    network = METHODS[method](settings, SIZES)
    for name, weight in network.layers.items():
        if name in ("last", "attributes", "content"):
            torch.nn.init.normal_(weight, std=0.1)
    inputs = ItemInputs(
        torch.randn(ITEMS, SIZES.content),
        torch.randint(SIZES.anchors, (ITEMS,)),
        torch.ones(ITEMS),
        torch.ones(ITEMS),
    )
    tasks = Tasks(
        torch.randn(batch, SIZES.attributes),
        torch.randint(QUERY, ITEMS, (batch, support)),
        torch.ones(batch, support),
        torch.randn(batch, support),
    )
    wanted, target = torch.arange(QUERY), torch.randn(batch, QUERY)
    network.train()

    def vectorised() -> torch.Tensor:
        items = network.encode(inputs)
        return ((network(tasks, items, wanted) - target) ** 2).mean()

    def looped() -> torch.Tensor:
        items = network.encode(inputs)
        losses = []
        for row in range(batch):
            one = Tasks(
                *(part[row : row + 1] for part in (tasks.attributes, tasks.items, tasks.mask, tasks.grades))
            )
            losses.append(((task_scores(network, one, items, wanted) - target[row]) ** 2).mean())
        return torch.stack(losses).mean()

    def step(loss: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
        network.zero_grad()
        found = loss()
        found.backward()
        slopes = [weight.grad for weight in network.parameters() if weight.grad is not None]
        return float(found.detach()), torch.cat([slope.flatten() for slope in slopes])

    (fast, fast_slope), (slow, slow_slope) = step(vectorised), step(looped)
    apart = float((fast_slope - slow_slope).norm() / slow_slope.norm())
    if abs(fast - slow) > 1e-4 * abs(slow) or apart > 1e-3:
        raise AssertionError(f"the two ways differ: loss {fast} and {slow}, gradients by {apart:.2g}")
    rates = {
        name: batch / seconds(lambda way=way: step(way))
        for name, way in (("vectorised", vectorised), ("looped", looped))
    }
    return {
        "method": method,
        "batch": batch,
        "support": support,
        "width": width,
        "tasks_a_second": round(rates["vectorised"], 1),
        "looped_tasks_a_second": round(rates["looped"], 1),
        "times": round(rates["vectorised"] / rates["looped"], 1),
        "gradients_apart": apart,
    }


def task_scores(network: DecisionNetwork, task: Tasks, items: Items, wanted: torch.Tensor) -> torch.Tensor:
    """(n_wanted,) of one task, as code without vmap takes the inner steps."""
    settings = network.settings
    lenience = network.lenience(task, items)[0, 0]
    attributes, support = task.attributes[0], task.items[0]
    mine, bias = items.keys[support], items.key_bias[support]
    moved = {name: network.layers[name] for name in network.moving}
    for _ in range(settings.inner_steps):
        scores = network.scores(moved, attributes, mine) + bias + lenience
        loss = ((scores - task.grades[0]) ** 2 * task.mask[0]).sum() / (
            task.mask[0].sum() + network.doubt.exp()
        )
        slopes = torch.autograd.grad(
            loss, list(moved.values()), create_graph=network.second_order, retain_graph=True
        )
        length = torch.stack([(slope**2).sum() for slope in slopes]).sum().add(1e-12).sqrt()
        shorter = settings.inner_clip / length.clamp(min=settings.inner_clip)
        moved = {
            name: weight - network.log_rates[name].exp() * shorter * slope
            for (name, weight), slope in zip(moved.items(), slopes, strict=True)
        }
    return network.scores(moved, attributes, items.values[wanted]) + items.bias[wanted] + lenience


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call: the median of several runs of at least a fifth of a second."""
    found = []
    for _ in range(RUNS):
        calls, began = 0, time.process_time()
        while time.process_time() - began < LEAST_SECONDS:
            call()
            calls += 1
        found.append((time.process_time() - began) / calls)
    return median(found)


def told(row: dict[str, Any]) -> str:
    """One row in a line."""
    sizes = f"batch {row['batch']:3} support {row['support']:2} width {row['width']:3}"
    rates = f"{row['tasks_a_second']:9,.0f} tasks/s, looped {row['looped_tasks_a_second']:6,.0f}"
    return f"{row['method']:7}{sizes}: {rates}, {row['times']:.1f} times"


if __name__ == "__main__":
    sys.exit(main())
