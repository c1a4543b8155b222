"""BERT's encoder, its names those of the file that holds its weights: read from that file, trained, and laid out.

The transformers library has the same network, and takes seconds to import and build it: longer than a hundred
items take to read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Bert(nn.Module):
    """The encoder of Devlin et al. 2019 (arXiv:1810.04805), without its pooler.

    Args:
        config: what `config.json` beside the weights says.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.embeddings = _Embeddings(config)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(_Layer(config) for _ in range(config["num_hidden_layers"]))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, T, hidden) last states of (B, T) pieces; `mask` is 1 at a piece and 0 at padding."""
        seen = mask[:, None, None, :].bool()
        states: Tensor = self.embeddings(ids, torch.arange(ids.shape[1])[None])
        for layer in self.encoder.layer:
            states = layer(states, seen)
        return states


class _Embedding(nn.Embedding):
    def reset_parameters(self) -> None:
        """Draw no numbers: the file has them."""


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Draw no numbers: the file has them."""


class _Embeddings(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        hidden = config["hidden_size"]
        self.word_embeddings = _Embedding(config["vocab_size"], hidden)
        self.position_embeddings = _Embedding(config["max_position_embeddings"], hidden)
        self.token_type_embeddings = _Embedding(config["type_vocab_size"], hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, ids: Tensor, places: Tensor) -> Tensor:
        """The sum of the vectors of pieces, of the first type and of places."""
        states = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
        states = self.LayerNorm(states + self.position_embeddings(places))
        dropped: Tensor = self.dropout(states)
        return dropped


class _Layer(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        hidden, wide = config["hidden_size"], config["intermediate_size"]
        if config["hidden_act"] != "gelu":
            raise ValueError(f"activation {config['hidden_act']!r}; this encoder has gelu")
        self.attention = nn.Module()
        self.attention.self = _SelfAttention(hidden, config["num_attention_heads"])
        self.attention.output = _Output(hidden, hidden, config)
        self.intermediate = _Intermediate(hidden, wide)
        self.output = _Output(wide, hidden, config)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        """(B, T, hidden) from the same; `seen` (B, 1, 1, T) is True at a piece."""
        mixed = self.attention.self(states, seen)
        states = self.attention.output(mixed, states)
        after: Tensor = self.output(self.intermediate(states), states)
        return after


class _SelfAttention(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.shape = (-1, heads, hidden // heads)
        self.query, self.key, self.value = (_Linear(hidden, hidden) for _ in range(3))

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        size, length, hidden = states.shape
        query, key, value = (
            linear(states).view(size, *self.shape).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return mixed.transpose(1, 2).reshape(size, length, hidden)


class _Intermediate(nn.Module):
    def __init__(self, hidden: int, wide: int) -> None:
        super().__init__()
        self.dense = _Linear(hidden, wide)
        self.activation = nn.GELU()

    def forward(self, states: Tensor) -> Tensor:
        wide: Tensor = self.activation(self.dense(states))
        return wide


class _Output(nn.Module):
    def __init__(self, inputs: int, hidden: int, config: dict[str, Any]) -> None:
        super().__init__()
        self.dense = _Linear(inputs, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, states: Tensor, before: Tensor) -> Tensor:
        added: Tensor = self.LayerNorm(self.dropout(self.dense(states)) + before)
        return added


def read_bert(folder: Path) -> Bert:
    """The encoder with the weights of `model.safetensors` in a folder that transformers can read too.

    Raises:
        ValueError: the weights are not those of such an encoder.
    """
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    encoder = Bert(config)
    weights = load_file(folder / "model.safetensors")
    missing = encoder.load_state_dict(weights, strict=False, assign=True).missing_keys
    if missing:
        raise ValueError(f"{folder}: no weights {', '.join(missing[:3])}")
    return encoder
