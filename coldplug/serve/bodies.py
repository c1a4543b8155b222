"""What may be asked over HTTP and what is answered, with the sizes that are too large and an example each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from coldplug.explaining import Explanation
from coldplug.plug import Plug, Recommendation
from coldplug.types import Attributes

MOST_ITEMS = 10_000
MOST_SUPPORT = 1_000
MOST_SHOWN = 1_000
MOST_NEW_ITEMS = 1_000


def _plain(value: Any, check: Callable[[Any], Any]) -> Any:
    """One message for a value that is none of several kinds, instead of one a kind."""
    try:
        return check(value)
    except ValidationError as error:
        raise PydanticCustomError(
            "value", "should be a text, a number, true or false, or a list of these, none of them very long"
        ) from error


# Far beyond any age or price, and within what 32 bits hold.
Number = Annotated[float, Field(ge=-1e15, le=1e15)]
Identifier = Annotated[str, Field(min_length=1, max_length=500)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
_One = Annotated[str, Field(max_length=1000)] | bool | Number
Value = Annotated[_One | Annotated[list[_One], Field(max_length=100)] | None, WrapValidator(_plain)]
"""What an attribute of a user or an item may be."""

USER: JsonValue = {"age": 25, "occupation": "artist"}
SUPPORT: JsonValue = [{"item_id": "260", "rating": 5}, {"item_id": "1196"}]


def _whole(value: Any) -> Any:
    """10.0 is a whole number in JSON, which has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Body(BaseModel):
    # Strict: "5" is no number and 1 is not true, as the schema that clients are given says.
    model_config = ConfigDict(extra="forbid", strict=True)


class Met(_Body):
    """An item that the user has met; without a rating it counts as a like."""

    item_id: Identifier
    rating: Number | None = None


class Asker(_Body):
    """Who it is about; every part may be left out."""

    user_id: Identifier | None = Field(
        default=None, description="Somebody whom /observe was told of: what is kept of them counts too."
    )
    user: Annotated[dict[Name, Value], Field(max_length=100)] = Field(
        default_factory=dict, description="Attribute name -> text, number, true or false, or a list of texts."
    )
    support: Annotated[list[Met], Field(max_length=MOST_SUPPORT)] = Field(
        default_factory=list, description="Items the user has met. Of an item named twice the last counts."
    )

    def who(self, plug: Plug) -> tuple[Attributes, list[tuple[str, float]], list[str]]:
        """Attributes and support as `Plug` takes them, those kept of the user first, and items they said no to."""
        pairs = [(met.item_id, float("nan") if met.rating is None else met.rating) for met in self.support]
        if self.user_id is None:
            return self.user, pairs, []
        kept, refused = plug._users().user(self.user_id, plug._catalogue)
        return {**kept.attributes, **self.user}, [*kept.support, *pairs], refused


class ScoreBody(Asker):
    """Items to score for one user."""

    item_ids: Annotated[list[Identifier], Field(max_length=MOST_ITEMS)]
    unknown: Literal["raise", "nan"] = Field(
        default="raise", description='Ids that the model does not know: "raise" is a 404, "nan" a null score.'
    )
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user": USER, "support": SUPPORT, "item_ids": ["1", "50"]}]}
    )


class RecommendBody(Asker):
    """How many items to choose for one user, and from which."""

    k: Annotated[int, Field(ge=1, le=MOST_SHOWN), BeforeValidator(_whole)] = 10
    exclude: Annotated[list[Identifier], Field(max_length=MOST_ITEMS)] = Field(
        default_factory=list, description="Items not to show, beside those of the support."
    )
    candidates: Annotated[list[Identifier], Field(max_length=MOST_ITEMS)] | None = Field(
        default=None, description="Items to choose from; all where left out."
    )
    where: Annotated[dict[Name, list[Name]], Field(max_length=100)] | None = Field(
        default=None, description="Facts that an item must have: relation -> values, one of which will do."
    )
    diversity: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="From 0, the best, to 1: how much being unlike those before counts."
    )
    model_config = ConfigDict(json_schema_extra={"examples": [{"user": USER, "support": SUPPORT, "k": 5}]})


class ExplainBody(Asker):
    """One item whose score for one user is to be taken apart."""

    item_id: Identifier
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user": USER, "support": SUPPORT, "item_id": "50"}]}
    )


class ObserveBody(_Body):
    """What a user made of an item."""

    user_id: Identifier
    item_id: Identifier
    reward: Number | bool = Field(
        default=True, description="A rating on the scale of the training; or true for a like, false for none."
    )
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "u7", "item_id": "260", "reward": 5}]}
    )


def _needs_a_text(schema: dict[str, Any]) -> None:
    """Tell clients what the model itself checks when it is given the items."""
    schema["anyOf"] = [
        {"required": [name], "properties": {name: {"minLength": 1}}} for name in ("title", "description")
    ]


class NewItem(BaseModel):
    """An item as in items.jsonl; keys that are not named here count as attributes."""

    id: Identifier
    title: Annotated[str, Field(max_length=1000)] = ""
    description: Annotated[str, Field(max_length=20_000)] = ""
    category: Annotated[str, Field(max_length=1000)] | None = None
    attributes: Annotated[dict[Name, Value], Field(max_length=100)] = Field(default_factory=dict)
    __pydantic_extra__: dict[str, Value]
    model_config = ConfigDict(extra="allow", strict=True, json_schema_extra=_needs_a_text)


class ItemsBody(_Body):
    """Items to add; those whose id the model has already are passed over."""

    items: Annotated[list[NewItem], Field(min_length=1, max_length=MOST_NEW_ITEMS)]
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"id": "9001", "title": "The Night Tram", "attributes": {"genre": ["Crime", "Drama"]}}
                    ]
                }
            ]
        }
    )


class Scored(BaseModel):
    """An item and its score; null for an id that the model does not know."""

    item_id: str
    score: float | None


class ScoreAnswer(BaseModel):
    """Scores in the order asked, comparable with each other; `ignored` are attributes the model never met."""

    scores: list[Scored]
    ignored: list[str]


class RecommendAnswer(BaseModel):
    """Items, best first, with what speaks for each; `ignored` are attributes the model never met."""

    recommendations: list[Recommendation]
    ignored: list[str]


class ExplainAnswer(BaseModel):
    """A score taken apart; `ignored` are attributes the model never met."""

    explanation: Explanation
    ignored: list[str]


class ObserveAnswer(BaseModel):
    """How many items the user's support holds now; the newest are kept."""

    support: int


class ItemsAnswer(BaseModel):
    """How many items were added, and how many there are now."""

    added: int
    items: int


class Found(BaseModel):
    """An item by its title."""

    item_id: str
    title: str


class FoundAnswer(BaseModel):
    """Items whose title has all words that were asked for."""

    items: list[Found]


class AttributeAnswer(BaseModel):
    """An attribute of users that the model knows: its values, or the lowest and highest number met in training."""

    name: str
    values: list[str] | None = None
    between: tuple[float, float] | None = None


class HealthAnswer(BaseModel):
    """That it answers, and what it holds."""

    status: str
    method: str
    items: int


class Problem(BaseModel):
    """What was wrong with a request: where, with what value, and what to do about it."""

    error: str
    field: str | None = None
    value: Any = None
    mend: str | None = None
