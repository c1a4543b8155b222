"""How many tokens a text is taken for without asking a server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

ASCII_CHARACTERS_A_TOKEN = 4.0
OTHER_CHARACTERS_A_TOKEN = 1.5
TOKENS_A_MESSAGE = 4
"""A rule of thumb; what a server reports corrects it in the course of a run (`Spending.correction`)."""


def guess_tokens(text: str) -> int:
    """About as many tokens as a model's tokenizer would make of the text: one for every 4 ASCII characters
    and one for every 1.5 others."""
    if text.isascii():
        return math.ceil(len(text) / ASCII_CHARACTERS_A_TOKEN)
    others = sum(character > "\x7f" for character in text)
    return math.ceil((len(text) - others) / ASCII_CHARACTERS_A_TOKEN + others / OTHER_CHARACTERS_A_TOKEN)


def guess_message_tokens(messages: Iterable[Mapping[str, str]]) -> int:
    """Tokens of a chat's messages."""
    return sum(TOKENS_A_MESSAGE + guess_tokens(message["content"]) for message in messages)
