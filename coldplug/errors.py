"""Errors that callers of coldplug may want to catch."""

from __future__ import annotations

from collections.abc import Sequence

from plugbase.errors import UserError


class UnknownItemError(UserError, KeyError):
    """Items were asked for that the model has never been told of; `item_ids` holds all of them."""

    def __init__(self, item_ids: Sequence[str]) -> None:
        self.item_ids = list(item_ids)
        shown = ", ".join(repr(i) for i in self.item_ids[:10])
        more = f" and {len(self.item_ids) - 10} more" if len(self.item_ids) > 10 else ""
        super().__init__(
            f"unknown item {'ids' if len(self.item_ids) > 1 else 'id'} {shown}{more}",
            mend='add them with plug.add_items(...); score(..., unknown="nan") scores them NaN instead',
        )

    __str__ = Exception.__str__


class ModelFormatError(UserError):
    """A model folder is not what it says: unknown format version, truncated or altered file."""
