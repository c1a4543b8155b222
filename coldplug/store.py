"""A model on disk: a folder of model.json, safetensors and plain text, written whole or not at all, read without pickle."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.errors import ModelFormatError

FORMAT_VERSION = 1
_MODEL, _ARRAYS = "model.json", "arrays.safetensors"
_OWN = "sha256"
"""Where model.json holds the hash of the rest of itself."""
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Arguments of renameat2(2)."""


def save_folder(
    folder: Path, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
) -> None:
    """Write a model folder beside its final place, then put it there.

    Args:
        folder: where it goes; a model that is there already is replaced, anything else is refused.
        meta: JSON-able; becomes model.json with the format version and the hashes of the other files.
        arrays: become arrays.safetensors.
        texts: each becomes NAME.txt, one JSON string a line.

    Raises:
        ModelFormatError: the folder exists and is not a model.
    """
    from safetensors.numpy import save_file

    folder = folder.resolve()
    foreign = folder.exists() and not (folder / _MODEL).is_file()
    if foreign and not (folder.is_dir() and not any(folder.iterdir())):
        raise ModelFormatError(
            f"{folder} exists and is not a model", mend="name another folder, or remove it"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary / _ARRAYS)
        for name, lines in texts.items():
            body = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
            (temporary / f"{name}.txt").write_text(body, encoding="utf-8")
        hashes = {path.name: file_hash(path) for path in sorted(temporary.iterdir())}
        told = json.loads(json.dumps({"format": FORMAT_VERSION, **meta, "files": hashes}))
        body = json.dumps(told | {_OWN: _sha256_of(told)}, indent=1, sort_keys=True)
        (temporary / _MODEL).write_text(body + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        put_in_place(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def put_in_place(new: Path, folder: Path) -> None:
    """Put a finished folder in its place, so that whoever is killed on the way leaves a whole model there."""
    if not folder.exists():
        os.replace(new, folder)
        return
    if not _exchanged(new, folder):  # two renames: for a moment there is none, but both are whole
        aside = new.with_name(new.name + ".old")
        os.replace(folder, aside)
        os.replace(new, folder)
        new = aside
    shutil.rmtree(new)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the system could exchange two names in one step; Linux can, on most file systems."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if rename is None:
        return False
    arguments = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return bool(rename(*arguments) == 0)


def load_folder(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, list[str]]]:
    """What `save_folder` was given, after checking that nothing was cut short or altered since.

    Raises:
        ModelFormatError: not a model folder, an unknown format version, a missing, truncated or altered file.
    """
    from safetensors.numpy import load_file

    path = folder / _MODEL
    if not path.is_file():
        raise ModelFormatError(
            f"{folder} holds no {_MODEL}", mend="train one: coldplug train --graph graph.ttl"
        )
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        version, files = meta["format"], dict(meta["files"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFormatError(f"{path} is damaged ({error})", mend="train the model again") from error
    if version != FORMAT_VERSION:
        raise ModelFormatError(
            f"{path} has format {version!r}; this version of coldplug reads format {FORMAT_VERSION}",
            mend="install the version of coldplug that wrote it, or train the model again",
        )
    if meta.pop(_OWN, None) != _sha256_of(meta):
        raise ModelFormatError(
            f"{path} was truncated or altered", mend="copy it again, or train the model again"
        )
    for name, expected in files.items():
        part = folder / Path(name).name
        if not part.is_file():
            raise ModelFormatError(
                f"{part} is missing", mend="copy the whole folder, or train the model again"
            )
        if file_hash(part) != expected:
            raise ModelFormatError(
                f"{part} was truncated or altered", mend="copy it again, or train the model again"
            )
    try:
        arrays = load_file(folder / _ARRAYS)
        texts = {
            Path(name).stem: [
                json.loads(line) for line in (folder / Path(name).name).read_text("utf-8").splitlines()
            ]
            for name in files
            if name.endswith(".txt")
        }
    except Exception as error:
        raise ModelFormatError(f"{folder} is damaged ({error})", mend="train the model again") from error
    return meta, arrays, texts


def _sha256_of(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
