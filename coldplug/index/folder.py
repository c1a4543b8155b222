"""The index of a model, in the folder `index` of its model folder: made, written whole or not at all, read back."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.errors import ModelFormatError
from coldplug.index import DEFAULT, KINDS, index_class
from coldplug.index.coarse import Coarse
from coldplug.index.finder import Finder, restored, shared_out
from coldplug.learn import TrainableLearner, trainable_class
from coldplug.store import file_hash, load_folder, put_in_place
from coldplug.vectors import vectors_of
from plugbase.errors import UserError

FOLDER = "index"
_FORMAT = 1
_TOLD, _ARRAYS = "index.json", "short.safetensors"
_MODEL = "model.json"


@dataclass(frozen=True)
class IndexSummary:
    """What an index was made of, and how well it finds."""

    model: Path
    kind: str
    items: int
    direct: int
    width: int
    recall: float
    bytes: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"model": str(self.model)}


def index_model(
    model: Path,
    kind: str = DEFAULT,
    *,
    place: str | None = None,
    seed: int = 0,
    note: Callable[[str], None] = lambda text: None,
) -> IndexSummary:
    """Make an index of a model's items and put it into the model's folder; one that is there is replaced.

    Args:
        model: the model folder.
        kind: a name in `coldplug.index.KINDS`.
        place: the address of a Milvus server, for kind milvus; embedded where None.
        seed: of every random draw.
        note: called with the name of each stage as it begins.

    Raises:
        ModelFormatError: the folder is no model.
        UserError: no such kind, its library is missing, or the method's scores are no inner products.
    """
    if place is not None and kind != "milvus":
        raise UserError(f"kind {kind!r} lies in the model's folder", mend="a place goes with --kind milvus")
    index_class(kind)
    began = time.perf_counter()
    note("reading the model")
    meta, arrays, texts = load_folder(model)
    vectors = vectors_of(trainable_class(meta["method"]).from_state(meta["learner"], arrays, texts))
    finder = Finder.build(vectors, kind, seed=seed, place=place, note=note)
    save_finder(finder, model)
    size = sum(file.stat().st_size for file in (model / FOLDER).rglob("*") if file.is_file())
    return IndexSummary(
        model,
        kind,
        len(finder.rows),
        len(finder.direct),
        finder.short.shape[1] - 1,
        round(finder.recall, 4),
        size,
        round(time.perf_counter() - began, 1),
    )


def save_finder(finder: Finder, model: Path) -> None:
    """Write a finder into the folder of the model that it was made of, whole or not at all."""
    from safetensors.numpy import save_file

    folder = (model / FOLDER).resolve()
    temporary = Path(tempfile.mkdtemp(prefix=f".{FOLDER}.", dir=folder.parent))
    try:
        coarse = finder.coarse
        kept: dict[str, NDArray[Any]] = {
            "item_map": coarse.item_map,
            "user_map": coarse.user_map,
            "mean": coarse.mean,
        }
        kept |= {"short": finder.short, "rows": finder.rows}
        save_file({name: np.ascontiguousarray(array) for name, array in kept.items()}, temporary / _ARRAYS)
        finder.index.save(temporary)
        told = {
            "format": _FORMAT,
            "kind": finder.kind,
            "model": file_hash(model / _MODEL),
            "effort": finder.index.effort,
            "recall": finder.recall,
            "radius": coarse.radius,
            "files": {
                str(file.relative_to(temporary)): file_hash(file)
                for file in sorted(temporary.rglob("*"))
                if file.is_file()
            },
        }
        (temporary / _TOLD).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        put_in_place(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def load_finder(model: Path, learner: TrainableLearner) -> Finder | None:
    """The finder in a model's folder; None where there is none.

    Raises:
        ModelFormatError: it is of another model or version, or was truncated or altered.
        UserError: the library of its kind is not installed, or its server cannot be reached.
    """
    from safetensors.numpy import load_file

    folder = model / FOLDER
    if not (folder / _TOLD).is_file():
        return None
    vectors = vectors_of(learner)
    mend = f"make it again: coldplug index {model}"
    try:
        told: Mapping[str, Any] = json.loads((folder / _TOLD).read_text(encoding="utf-8"))
        kind, effort, files = told["kind"], int(told["effort"]), dict(told["files"])
        if told["format"] != _FORMAT or kind not in KINDS:
            raise ModelFormatError(
                f"{folder} is of a kind that this version of coldplug does not know", mend=mend
            )
        if told["model"] != file_hash(model / _MODEL):
            raise ModelFormatError(f"{folder} is the index of another model", mend=mend)
        for name, expected in files.items():
            part = (folder / name).resolve()
            if folder.resolve() not in part.parents or not part.is_file() or file_hash(part) != expected:
                raise ModelFormatError(f"{folder / name} is missing, truncated or altered", mend=mend)
        arrays = load_file(folder / _ARRAYS)
        coarse = Coarse(arrays["item_map"], arrays["user_map"], arrays["mean"], float(told["radius"]))
        short, rows = arrays["short"], arrays["rows"]
        direct, wanted = shared_out(vectors.learned())
        if not np.array_equal(rows, wanted) or len(short) != len(rows):
            raise ValueError(f"{len(rows)} rows")
        index = index_class(kind).load(folder, short)
        index.effort = effort
        bare = np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
        finder = Finder(kind, index, coarse, rows, short, len(rows), direct, *bare, float(told["recall"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFormatError(f"{folder} is damaged ({error})", mend=mend) from error
    return restored(finder, vectors)
