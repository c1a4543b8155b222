"""Which form of answer a server takes: the strictest one that works is found once and remembered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

FORMS = ("json_schema", "json_object_schema", "json_object", "text")
"""Ways to ask for the answer's form, strictest first. The second is that of llama.cpp's servers: a JSON object
that follows a schema given beside the type."""
_UNUSABLE_REPLIES = 2
_MOST_HALVINGS = 3


class Ladder:
    """What one model at one server takes. One event loop at a time has it.

    Args:
        schema: the JSON schema of an answer.
        effort: `reasoning_effort`; None leaves it to the server.
        remembered: what `as_json` gave in an earlier run.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        *,
        effort: str | None = None,
        remembered: Mapping[str, Any] | None = None,
    ) -> None:
        kept = remembered or {}
        self._schema = dict(schema)
        self.step = FORMS.index(kept["form"]) if kept.get("form") in FORMS else 0
        self._start = self.step
        self.was_found = bool(kept)
        """A step from an earlier run: a 500 is then a mishap, not a refusal."""
        self.proven = False
        """An answer of the form asked for came in this run."""
        self._length_name = kept.get("length", "max_tokens")
        self._temperature = bool(kept.get("temperature", True))
        self._effort = effort
        self._halvings = int(kept.get("halvings", 0))
        self.thinks = bool(kept.get("thinks", False))
        """The model spends tokens on thoughts before it answers, and needs room for them."""
        self._unusable = 0

    @property
    def is_known(self) -> bool:
        """Whether a step is known to work; until then one call at a time is enough to find it."""
        return self.proven or self.was_found

    @property
    def form(self) -> str:
        """The form that is asked for now."""
        return FORMS[self.step]

    def as_json(self) -> dict[str, Any]:
        """What is worth remembering."""
        return {
            "form": self.form,
            "length": self._length_name,
            "temperature": self._temperature,
            "halvings": self._halvings,
            "thinks": self.thinks,
        }

    @property
    def answer_format(self) -> str:
        """What the prompt has to say of the form; nothing where the server itself sees to it."""
        if self.form in ("json_schema", "json_object_schema"):
            return ""
        schema = json.dumps(self._schema, separators=(",", ":"))
        return f"\nAnswer with the JSON object and nothing else. It follows this JSON schema:\n{schema}"

    def parameters(self, length: int) -> dict[str, Any]:
        """The fields of the request that say how to answer, with `length` tokens at the most."""
        fields: dict[str, Any] = {self._length_name: length >> self._halvings}
        if self._effort is not None:
            fields["reasoning_effort"] = self._effort
        if self._temperature:
            fields["temperature"] = 0
        if self.form == "json_schema":
            strict = {"name": "answer", "strict": True, "schema": self._schema}
            fields["response_format"] = {"type": "json_schema", "json_schema": strict}
        elif self.form == "json_object_schema":
            fields["response_format"] = {"type": "json_object", "schema": self._schema}
        elif self.form == "json_object":
            fields["response_format"] = {"type": "json_object"}
        return fields

    def refused(self, form: str) -> bool:
        """Note that the server would not take this form; whether there is another to try now."""
        if form != self.form:
            return True  # another call has moved on already
        if self.proven:
            return False
        if self.step + 1 == len(FORMS):
            # What is refused in every form is this request; the next one begins as this one did.
            self.step, self._unusable = self._start, 0
            return False
        self.step += 1
        self._unusable = 0
        return True

    def answered(self, form: str, usable: bool) -> None:
        """Note a reply in this form. Two unusable ones in a row, before any usable one, are a refusal: there
        are servers that take any `response_format` and heed none."""
        if form != self.form:
            return
        if usable:
            self.proven, self._unusable = True, 0
            return
        self._unusable += 1
        if self._unusable == _UNUSABLE_REPLIES and not self.was_found:
            self.refused(form)

    def leave_out(self, parameter: str | None) -> bool:
        """Leave out or rename a parameter that the model does not take; whether that changes anything."""
        if parameter == "temperature" and self._temperature:
            self._temperature = False
            return True
        if parameter == "max_tokens" and self._length_name == "max_tokens":
            self._length_name = "max_completion_tokens"
            return True
        if parameter == "reasoning_effort" and self._effort is not None:
            self._effort = None
            return True
        return False

    def shortened(self) -> bool:
        """Ask for answers half as long: prompt and answer together may be what a server has no room for. Whether
        that is worth a try: once an answer came, it is the question that is too long."""
        if self.proven:
            return False
        if self._halvings >= _MOST_HALVINGS:
            self._halvings = 0
            return False
        self._halvings += 1
        return True
