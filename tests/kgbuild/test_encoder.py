"""The encoder: what transformers and sentence-transformers make of the same file, without them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kgbuild.encoder import HIDDEN, load_encoder, pieces_of, weights_file
from kgbuild.encoder.bert import read_bert
from kgbuild.resolve import meaning

TEXTS = ["oak", "a kettle for two, in Café-green", "made of", "XL-7 " * 90, "unhurried", "東京 の 猫", ""]


def test_states_are_those_of_transformers() -> None:
    from transformers import AutoModel

    theirs = AutoModel.from_pretrained(str(weights_file().parent), add_pooling_layer=False).eval()
    pieces = pieces_of(TEXTS[1], 12), pieces_of("oak", 12)
    ids = torch.tensor([[*text, *[0] * (12 - len(text))] for text in pieces])
    mask = (ids > 0).long()
    with torch.inference_mode():
        mine = load_encoder()(ids, mask)
        other = theirs(input_ids=ids, attention_mask=mask).last_hidden_state
    assert mine.shape == (2, 12, HIDDEN)
    kept = mask.bool()
    assert torch.allclose(mine[kept], other[kept], atol=1e-5)


def test_vectors_of_texts_are_those_of_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(weights_file().parent), device="cpu")
    other = theirs.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    mine = meaning.encode(TEXTS)
    assert np.abs(mine - other).max() < 1e-5
    alone = np.vstack([meaning.encode([text]) for text in TEXTS])
    assert np.array_equal(mine, alone), "a text has the same vector whatever stands beside it"


def test_making_one_draws_no_numbers_and_another_kind_is_refused(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    load_encoder()
    assert torch.equal(before, torch.random.get_rng_state())
    config = json.loads((weights_file().parent / "config.json").read_text())
    for name, value in (("num_hidden_layers", 7), ("hidden_act", "relu")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.safetensors").symlink_to(weights_file())
        (folder / "config.json").write_text(json.dumps(config | {name: value}))
        with pytest.raises(ValueError, match=r"no weights|relu"):
            read_bert(folder)


def test_it_needs_neither_library() -> None:
    program = (
        "import sys\n"
        "from kgbuild.resolve.meaning import encode\n"
        "encode(['oak'])\n"
        "print(sorted({'transformers', 'sentence_transformers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
