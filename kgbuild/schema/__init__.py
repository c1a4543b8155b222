"""The relations that extraction looks for, read from a YAML file: name, definition, range, wordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from plugbase.errors import UserError, did_you_mean

DEFAULT_SCHEMA = Path(__file__).with_name("items.yaml")
_SPEC_KEYS = ("definition", "range", "wordings")


@dataclass(frozen=True, slots=True)
class RelationSpec:
    """One relation. Relations with the same `range` share values; `wordings` are other names of it."""

    name: str
    definition: str
    range: str
    wordings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """All relations by name, in the order of the file."""

    version: int
    relations: Mapping[str, RelationSpec]

    def range_of(self, relation: str) -> str:
        """The range of the named relation; a relation that the schema does not know is its own range."""
        spec = self.relations.get(relation)
        return spec.range if spec else relation


def load_schema(path: str | Path | None = None) -> Schema:
    """Read a schema file, by default the one for items that kgbuild brings along.

    A file that says `extends: default` adds its relations to ours; one that names a relation of ours replaces
    its definition and range, and adds to its wordings.

    Raises:
        UserError: the file cannot be read, is not YAML, or does not have the shape of items.yaml.
    """
    import yaml

    file = Path(path) if path is not None else DEFAULT_SCHEMA
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read the schema: {error.strerror}", file=str(file)) from error
    except UnicodeDecodeError as error:
        raise UserError("the schema is not UTF-8 text", file=str(file)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        line = mark.line + 1 if mark else None
        raise UserError(f"the schema is not YAML: {problem}", file=str(file), line=line) from error
    if not isinstance(content, dict) or not isinstance(content.get("relations"), dict):
        raise UserError(
            "the schema has no 'relations'",
            file=str(file),
            mend="see kgbuild/schema/items.yaml for the shape",
        )
    version = content.get("version", 1)
    if version != 1:
        raise UserError(f"schema version {version!r} is not known", file=str(file), mend="write 'version: 1'")
    extends = content.get("extends")
    if extends not in (None, "default"):
        raise UserError(f"extends {extends!r} is not known", file=str(file), mend="write 'extends: default'")
    relations = dict(load_schema().relations) if extends else {}
    for name, content_of in content["relations"].items():
        spec = _relation(str(name), content_of, file)
        if spec.name in relations:
            wordings = (*relations[spec.name].wordings, *spec.wordings)
            spec = replace(spec, wordings=tuple(dict.fromkeys(wordings)))
        relations[spec.name] = spec
    return Schema(version=1, relations=relations)


def _relation(name: str, spec: object, file: Path) -> RelationSpec:
    if not isinstance(spec, dict) or not isinstance(spec.get("definition"), str):
        raise UserError(
            f"relation {name!r} has no definition", file=str(file), mend="write one line of 'definition: ...'"
        )
    for key in spec:
        if key not in _SPEC_KEYS:
            raise UserError(
                f"relation {name!r} has the unknown key {key!r}",
                file=str(file),
                mend=did_you_mean(str(key), _SPEC_KEYS) or f"known keys are {', '.join(_SPEC_KEYS)}",
            )
    wordings = spec.get("wordings") or []
    value_range = spec.get("range", name)
    if not isinstance(value_range, str):
        raise UserError(f"the range of relation {name!r} is not text: {value_range!r}", file=str(file))
    if not isinstance(wordings, list) or not all(isinstance(wording, str) for wording in wordings):
        raise UserError(f"the wordings of relation {name!r} are not a list of texts", file=str(file))
    return RelationSpec(name, spec["definition"], value_range, tuple(wordings))
