"""A small made-up catalogue with tastes that follow genre, written as the files that coldplug reads."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import numpy as np

GENRES = ("crime", "fairy tale", "space")
PREFIXES = """@prefix dcterms: <http://purl.org/dc/terms/> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""


def write_world(folder: Path, n_items: int = 90, n_users: int = 110, base: str = "urn:kgbuild:") -> Path:
    """Write graph.ttl, graph.evidence.jsonl, users.csv and interactions.csv; returns the folder."""
    random = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    lines, evidence, values = [PREFIXES], [], set()
    for item in range(n_items):
        genre = GENRES[item % 3]
        facts = [("genre", genre, "catalogue", 1.0), ("theme", f"theme {item % 7}", "local:facets@1", 0.5)]
        facts.append(("director", f"Director {item % 11}", "catalogue", 1.0))
        about = [f'dcterms:identifier "i{item}"', f'rdfs:label "Title {item}"']
        about += [f'dcterms:description "A {genre} tale, number {item}."']
        about += [f'<{base}rel:year> "{1980 + item % 30}"^^xsd:gYear']
        for relation, value, source, confidence in facts:
            iri = f"<{base}value:{relation}:{quote(value)}>"
            values.add((iri, value))
            about.append(f"<{base}rel:{relation}> {iri}")
            record = {"item": f"i{item}", "relation": relation, "value": value}
            evidence.append(record | {"source": source, "confidence": confidence})
        lines.append(f"<{base}item:i{item}> a <{base}vocab:Item> ; " + " ; ".join(about) + " .\n")
    lines += [f'{iri} a <{base}vocab:Value> ; rdfs:label "{value}" .\n' for iri, value in sorted(values)]
    (folder / "graph.ttl").write_text("".join(lines), encoding="utf-8")
    (folder / "graph.evidence.jsonl").write_text("".join(json.dumps(r) + "\n" for r in evidence))
    users, rows = ["user_id,likes,age\n"], ["user_id,item_id,rating\n"]
    for user in range(n_users):
        taste = user % 3
        users.append(f"u{user},{GENRES[taste]},{20 + user % 40}\n")
        weight = np.where(np.arange(n_items) % 3 == taste, 6.0, 1.0) / (1.0 + np.arange(n_items) / 40)
        for item in random.choice(n_items, 40, replace=False, p=weight / weight.sum()):
            rating = 5 if item % 3 == taste else random.integers(2, 6)
            rows.append(f"u{user},i{item},{rating}\n")
    (folder / "users.csv").write_text("".join(users))
    (folder / "interactions.csv").write_text("".join(rows))
    return folder
