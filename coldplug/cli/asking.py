"""How a person writes a user, a support and item ids on a command line, and how names are shown."""

from __future__ import annotations

import functools
import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from plugbase.console import Console
from plugbase.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from coldplug.plug import Plug

SupportEntry = str | tuple[str, float]


def user_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --user and --support, passed on as a dict and a list."""

    @click.option(
        "--user",
        multiple=True,
        metavar="NAME=VALUE|JSON",
        callback=lambda _ctx, _option, given: _as_parameter(parse_user, given),
        help="An attribute, such as age=25, or a JSON object with several: '{\"age\": 25}'. May be repeated.",
    )
    @click.option(
        "--support",
        multiple=True,
        metavar="ID[=RATING],...",
        callback=lambda _ctx, _option, given: _as_parameter(parse_support, given),
        help="Items the user has met, with or without a rating: 260=5,1196. A JSON list serves too.",
    )
    @functools.wraps(command)
    def with_user(*args: Any, **kwargs: Any) -> Any:
        return command(*args, **kwargs)

    return with_user


def parse_user(given: Sequence[str]) -> dict[str, object]:
    """A user's attributes from `name=value` and JSON objects; a name given twice is a list, as is `a|b`.

    >>> parse_user(["age=25", '{"occupation": "artist"}', "likes=film|books"])
    {'age': '25', 'occupation': 'artist', 'likes': ['film', 'books']}

    Raises:
        UserError: neither of the two.
    """
    attributes: dict[str, object] = {}
    for text in given:
        if text.lstrip().startswith("{"):
            found = _json(text)
            if not isinstance(found, dict):
                raise UserError(f"{text!r} is no JSON object", mend="""such as '{"age": 25}'""")
            pairs = list(found.items())
        else:
            name, equals, value = text.partition("=")
            if not equals or not name:
                raise UserError(f"{text!r} is neither NAME=VALUE nor a JSON object", mend="such as age=25")
            pairs = [(name, value.split("|") if "|" in value else value)]
        for name, value in pairs:
            attributes[name] = [*_listed(attributes[name]), *_listed(value)] if name in attributes else value
    return attributes


def parse_support(given: Sequence[str]) -> list[SupportEntry]:
    """Items a user has met, from `id=rating` and `id`, comma-separated, or a JSON list of ids and pairs.

    >>> parse_support(["260=5,1196", '[["a,b", 4]]'])
    [('260', 5.0), '1196', ('a,b', 4.0)]

    Raises:
        UserError: an empty id, or JSON of another shape.
    """
    entries: list[SupportEntry] = []
    for text in given:
        if text.lstrip().startswith("["):
            entries += [_support_pair(entry, text) for entry in _json(text)]
            continue
        for part in text.split(","):
            # An id may hold an equals sign; a rating is a number, and stands last.
            ident, _, rating = part.strip().rpartition("=")
            number = _number(rating)
            whole = part.strip()
            entries.append(whole if not ident or number is None else (ident, number))
            if not whole:
                raise UserError(f"an empty item id in {text!r}", mend="such as 260=5,1196")
    return entries


def split_ids(given: Sequence[str]) -> list[str]:
    """Item ids from comma-separated texts or JSON lists.

    >>> split_ids(["1,50", '["a,b"]'])
    ['1', '50', 'a,b']
    """
    ids: list[str] = []
    for text in given:
        found = _json(text) if text.lstrip().startswith("[") else text.split(",")
        ids += [str(one).strip() for one in found]
    return [ident for ident in ids if ident]


def parse_where(given: Sequence[str]) -> dict[str, list[str]]:
    """Facts that an item must have, from `relation=value`; a relation named twice has two values.

    >>> parse_where(["genre=Drama", "genre=Crime"])
    {'genre': ['Drama', 'Crime']}
    """
    facts: dict[str, list[str]] = {}
    for text in given:
        relation, equals, value = text.partition("=")
        if not (relation and equals and value):
            raise click.BadParameter(f"{text!r} is not RELATION=VALUE; such as genre=Drama")
        facts.setdefault(relation, []).append(value)
    return facts


def check_known(plug: Plug, item_ids: Sequence[str], option: str = "", mend: str = "") -> None:
    """Raise a UserError that names ids the model does not know, with the closest one that it does."""
    known = set(plug.item_ids)
    missing = [ident for ident in item_ids if ident not in known]
    if missing:
        names = ", ".join(map(repr, missing[:10])) + (
            f" and {len(missing) - 10} more" if missing[10:] else ""
        )
        raise UserError(
            f"{option}{': ' if option else ''}the model has no item {names}",
            mend=did_you_mean(missing[0], known) or mend or "ids are those the items had in the graph",
        )


def support_ids(support: Sequence[SupportEntry]) -> list[str]:
    """The ids of a support, without the ratings."""
    return [entry if isinstance(entry, str) else entry[0] for entry in support]


@contextmanager
def warnings_shown(console: Console) -> Iterator[None]:
    """Show the library's warnings, such as an attribute that training never met, as lines for people."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            console.warn(str(warning.message))


def shown(text: str) -> str:
    """A name as it may stand in a terminal: control characters escaped, the rest as it is."""
    return text if text.isprintable() else repr(text)[1:-1]


def json_number(value: float) -> float | None:
    """A score for JSON, which has no NaN."""
    return None if math.isnan(value) else value


def _as_parameter(parse: Callable[[Sequence[str]], Any], given: Sequence[str]) -> Any:
    try:
        return parse(given)
    except UserError as error:
        raise click.BadParameter(f"{error.message}; {error.mend}") from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(
            f"{text!r} is not JSON: {error}", mend="put it in single quotes for the shell"
        ) from error


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _support_pair(entry: object, text: str) -> SupportEntry:
    if isinstance(entry, str | int) and not isinstance(entry, bool):
        return str(entry)
    if isinstance(entry, list) and len(entry) == 2:
        ident, rating = entry
        if isinstance(ident, str | int) and isinstance(rating, int | float) and not isinstance(rating, bool):
            return str(ident), float(rating)
    raise UserError(f"{entry!r} in {text!r} is no item", mend="""such as '["1196", ["260", 5]]'""")
