"""Prompts as files named id@version.md; what a prompt says changes only together with its version."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from plugbase.errors import UserError, did_you_mean

_FOLDER = Path(__file__).parent
_PART = re.compile(r"^# (system|user|assistant)$", re.MULTILINE)
_SLOT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: its name `id@version`, the hash of its file, and its parts in order, each (role, text)."""

    name: str
    sha256: str
    parts: tuple[tuple[str, str], ...]

    def messages(self, **values: str) -> list[dict[str, str]]:
        """Chat messages with each {{slot}} filled; what is filled in is never searched for slots again."""
        return [
            {"role": role, "content": _SLOT.sub(lambda slot: values[slot[1]], text)}
            for role, text in self.parts
        ]


def load_prompt(name: str) -> Prompt:
    """The prompt of that name, such as "extract_facts@1".

    Raises:
        UserError: no prompt has the name.
    """
    known = sorted(path.stem for path in _FOLDER.glob("*@*.md"))
    if name not in known:
        mend = did_you_mean(name, known) or f"there are: {', '.join(known)}"
        raise UserError(f"no prompt is called {name!r}", mend=mend)
    text = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
    _, *found = _PART.split(text)
    parts = tuple((role, part.strip()) for role, part in zip(found[::2], found[1::2], strict=True))
    return Prompt(name, hashlib.sha256(text.encode()).hexdigest(), parts)
