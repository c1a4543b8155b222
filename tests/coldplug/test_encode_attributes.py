"""The attribute encoder: columns from the data, odd values, warnings, and what is left of it in JSON."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coldplug.encode.attributes import AttributeEncoder
from coldplug.errors import ModelFormatError
from plugbase.errors import UserError

USERS: list[dict[str, Any]] = [
    {"gender": "F", "age": 18, "likes": ["tea", "cats"]},
    {"gender": "M", "age": 25, "likes": ["tea"]},
    {"gender": "F", "age": 35, "likes": ["cats"]},
    {"gender": "M", "age": 25, "likes": [], "city": "Oslo"},
]
FITTED = AttributeEncoder.fit(USERS)

finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = scalars | st.lists(scalars, max_size=4) | st.sets(st.text(), max_size=3)
users = st.dictionaries(st.text() | st.sampled_from(["gender", "age", "likes"]), values, max_size=5)


def row(value: Any, name: str, encoder: AttributeEncoder = FITTED) -> dict[str, float]:
    """What one attribute alone turns into."""
    return dict(encoder.describe(encoder.transform([{name: value}])[0]))


def quiet(encoder: AttributeEncoder, attributes: list[dict[str, Any]]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return encoder.transform(attributes)


def test_columns_come_from_the_data() -> None:
    assert FITTED.names == ["age@18", "age@25", "age@35", "gender=F", "gender=M", "likes=cats", "likes=tea"]
    assert FITTED.blocks["gender"] == slice(3, 5)
    assert FITTED.blocks["city"] == slice(3, 3)
    assert FITTED.width == 7
    rows = FITTED.transform(USERS)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(
        rows, [[1, 0, 0, 1, 0, 1, 1], [0, 1, 0, 0, 1, 0, 1], [0, 0, 1, 1, 0, 1, 0], [0, 1, 0, 0, 1, 0, 0]]
    )
    assert FITTED.describe(rows[3]) == [("age@25", 1.0), ("gender=M", 1.0)]


def test_numbers_are_shared_between_knots_and_clamped_beyond_them() -> None:
    assert row(30, "age") == {"age@25": 0.5, "age@35": 0.5}
    assert row(27.5, "age") == {"age@25": 0.75, "age@35": 0.25}
    assert row(5, "age") == {"age@18": 1.0}
    assert row(90, "age") == {"age@35": 1.0}


@pytest.mark.parametrize("value", ["25", " 25.0 ", "2.5e1", np.int64(25), np.float32(25), [25], ("25",)])
def test_ways_to_say_a_number(value: object) -> None:
    assert row(value, "age") == {"age@25": 1.0}


def test_texts_of_numbers_make_a_number_but_codes_do_not() -> None:
    numeric = AttributeEncoder.fit([{"a": "1"}, {"a": "2.5"}, {"a": 4}])
    assert numeric.names == ["a@1", "a@2.5", "a@4"]
    codes = AttributeEncoder.fit([{"zip": "02139"}, {"zip": "02139"}, {"zip": "10001"}, {"zip": "10001"}])
    assert codes.names == ["zip=02139", "zip=10001"]
    mixed = AttributeEncoder.fit([{"a": 3}, {"a": 3.0}, {"a": "many"}, {"a": "many"}])
    assert mixed.names == ["a=3", "a=many"]
    assert row(3, "a", mixed) == {"a=3": 1.0}


def test_many_distinct_numbers_have_eight_knots_at_equal_shares() -> None:
    encoder = AttributeEncoder.fit([{"income": float(n)} for n in range(1001)])
    assert encoder.width == 8
    rows = encoder.transform([{"income": float(n)} for n in range(1001)])
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    assert rows.mean(axis=0).min() > 0.05


def test_letter_case_does_not_count_and_the_commonest_spelling_names_the_column() -> None:
    encoder = AttributeEncoder.fit([{"job": "Artist"}, {"job": "artist"}, {"job": "Artist "}])
    assert encoder.names == ["job=Artist"]
    assert row("ARTIST", "job", encoder) == {"job=Artist": 1.0}


def test_truth_values_are_texts() -> None:
    encoder = AttributeEncoder.fit([{"member": True}] * 2 + [{"member": False}] * 2)
    assert encoder.names == ["member=false", "member=true"]
    assert row(np.bool_(True), "member", encoder) == {"member=true": 1.0}


@pytest.mark.parametrize(("n_users", "least"), [(199, 2), (200, 5), (1000, 5), (2000, 10)])
def test_how_many_users_a_value_needs(n_users: int, least: int) -> None:
    users = [{"job": "common"} for _ in range(n_users)]
    for number in range(least):
        users[number] = {"job": "enough"}
    for number in range(least, 2 * least - 1):
        users[number] = {"job": "too few"}
    assert AttributeEncoder.fit(users).names == ["job=common", "job=enough"]
    assert AttributeEncoder.fit(users, min_count=1).width == 3


def test_a_value_repeated_by_one_user_counts_once() -> None:
    assert AttributeEncoder.fit([{"likes": ["tea", "Tea", "tea"]}, {}]).width == 0


@pytest.mark.parametrize("value", [None, float("nan"), np.nan, "", "  ", [], [None, ""]])
@pytest.mark.parametrize("name", ["age", "gender", "likes"])
def test_missing_values_are_zero_without_a_word(name: str, value: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert row(value, name) == {}


def test_infinite_numbers_neither_make_knots_nor_match_them() -> None:
    encoder = AttributeEncoder.fit([{"a": 1}, {"a": 2}, {"a": math.inf}])
    assert encoder.names == ["a@1", "a@2"]
    with pytest.warns(UserWarning, match="no finite number"):
        assert row(10**400, "a", encoder) == {}


def test_unknown_names_and_values_are_warned_of_once() -> None:
    encoder = AttributeEncoder.fit(USERS)
    for attributes, said in [
        ({"gendre": "F"}, "'gendre'.*did you mean 'gender'"),
        ({"gender": "X"}, "gender='X'"),
        ({"age": "old"}, "age='old' is no finite number"),
        ({"age": [18, 25]}, "age='18, 25'"),
    ]:
        with pytest.warns(UserWarning, match=said):
            assert not encoder.transform([attributes]).any()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encoder.transform([attributes])


def test_no_more_than_twenty_warnings() -> None:
    encoder = AttributeEncoder.fit(USERS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encoder.transform([{"gender": f"value {n}"} for n in range(50)])
    assert len(caught) == 20


def test_users_of_the_training_cause_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AttributeEncoder.fit(USERS).transform(USERS)


@pytest.mark.parametrize("value", [{"a": 1}, b"25", [["nested"]], [{"a": 1}], object(), 1j])
def test_wrong_types_are_named(value: object) -> None:
    with pytest.raises(UserError, match="attribute 'age' of user 1 is of type") as caught:
        FITTED.transform([{}, {"age": value}])
    assert caught.value.mend
    with pytest.raises(UserError, match="'age'"):
        AttributeEncoder.fit([{}, {"age": value}])


def test_wrong_users_are_named() -> None:
    with pytest.raises(UserError, match="user 0 are of type list"):
        FITTED.transform([["age", 25]])  # type: ignore[list-item]
    with pytest.raises(UserError, match="named 7"):
        FITTED.transform([{7: 25}])  # type: ignore[dict-item]


def test_no_users_and_no_attributes() -> None:
    assert AttributeEncoder.fit([]).transform([{}, {}]).shape == (2, 0)
    assert FITTED.transform([]).shape == (0, 7)


def test_through_json_and_back() -> None:
    again = AttributeEncoder.from_state(json.loads(json.dumps(FITTED.state())))
    assert again.names == FITTED.names
    np.testing.assert_array_equal(again.transform(USERS[:3]), FITTED.transform(USERS[:3]))
    with pytest.warns(UserWarning, match="no value of attribute 'city' was common"):
        again.transform(USERS)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"format": 2, "attributes": []},
        {"format": 1, "attributes": [{"name": "a", "kind": "number", "knots": [2, 1]}]},
        {"format": 1, "attributes": [{"name": "a", "kind": "number", "knots": []}]},
        {"format": 1, "attributes": [{"name": "a", "kind": "values", "values": [1]}]},
        {"format": 1, "attributes": [{"name": "a", "kind": "other"}]},
        {"format": 1, "attributes": 3},
        {"format": 1, "attributes": ["a"]},
        {"format": 1, "attributes": [{"name": 3, "kind": "values", "values": []}]},
    ],
)
def test_a_state_that_is_none(state: dict[str, Any]) -> None:
    with pytest.raises(ModelFormatError):
        AttributeEncoder.from_state(state)


@given(st.lists(users, max_size=6), st.lists(users, max_size=4))
def test_whatever_the_values_rows_are_finite_and_survive_json(
    trained: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    encoder = AttributeEncoder.fit(trained, min_count=1)
    rows = quiet(encoder, [*trained, *asked])
    assert rows.shape == (len(trained) + len(asked), len(encoder.names))
    assert np.isfinite(rows).all()
    assert rows.min(initial=0) >= 0
    assert rows.max(initial=0) <= 1
    again = AttributeEncoder.from_state(json.loads(json.dumps(encoder.state())))
    np.testing.assert_array_equal(quiet(again, [*trained, *asked]), rows)


@given(st.lists(finite, min_size=1, max_size=30), finite)
def test_hats_sum_to_one_and_knots_are_one_hot(trained: list[float], asked: float) -> None:
    encoder = AttributeEncoder.fit([{"a": number} for number in trained])
    (weights,) = encoder.transform([{"a": asked}])
    assert weights.sum() == pytest.approx(1)
    assert np.count_nonzero(weights) <= 2
    (knots,) = (part["knots"] for part in encoder.state()["attributes"])
    np.testing.assert_array_equal(encoder.transform([{"a": knot} for knot in knots]), np.eye(len(knots)))


@given(st.text())
def test_any_text_can_be_a_value(text: str) -> None:
    encoder = AttributeEncoder.fit([{"a": text, "b": "word"}, {"a": text}], min_count=1)
    (weights,) = encoder.transform([{"a": text}])
    assert weights.sum() == (1 if text.strip() else 0)
