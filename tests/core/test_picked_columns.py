"""A parameter that is a list of words, and columns that answers have only if such a list names them."""

import argparse
import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from batch.jobs.generated_files import client_types, docs_page
from batch.jobs.instrument_greeks import from_query
from batch.management.commands.batch_greeks import parameter
from signalsite.foundation.computations.answers import WrongAnswers, declared
from signalsite.foundation.computations.columns import Column
from signalsite.foundation.computations.contract import Answers, Parameter
from signalsite.foundation.computations.files import choose_columns
from signalsite.foundation.computations.options import add_options
from signalsite.foundation.computations.options import given as options_given
from signalsite.foundation.computations.registry import BadDeclaration, computations, register
from signalsite.foundation.computations.requests import params_serializer, row_serializer
from signalsite.foundation.errors import InvalidInput
from tests.core.hostile import VALUES
from tests.core.test_computations import LIST, Toy, toy

PICK = Parameter(
    name="pick", type=str, default=("a",), choices=("a", "b", "c"), most=3, picks_columns=True, help="Which."
)


class Picky(Toy):
    name = "picky"
    parameters: ClassVar[Any] = (PICK, LIST)
    columns: ClassVar[Any] = (
        Column("always", float, "Always."),
        Column("b", float, "Second."),
        Column("a", float, "First."),
        Column("c", int, "Third."),
    )


PICKY = Picky()


def names(params: dict[str, Any]) -> list[str]:
    return [each.name for each in PICKY.columns_for(params)][3:]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["always", "a"]),  # a job of an earlier version
        ({"pick": ["a"]}, ["always", "a"]),
        ({"pick": ["c", "b"]}, ["always", "b", "c"]),  # in the order of the declaration
        ({"pick": ["a", "b", "c"]}, ["always", "b", "a", "c"]),
    ],
)
def test_answers_have_the_columns_that_are_named(params: dict[str, Any], expected: list[str]) -> None:
    assert names(params) == expected
    columns = {"status": ["ok"], "reason": [None], **{name: np.ones(1) for name in expected}}
    assert list(declared(PICKY, Answers(columns), params)) == ["status", "reason", "retryable", *expected]
    with pytest.raises(WrongAnswers, match="always"):
        declared(PICKY, Answers({name: value for name, value in columns.items() if name != "always"}), params)
    with pytest.raises(WrongAnswers, match="more"):
        declared(PICKY, Answers({**columns, "more": [1.0]}), params)


def test_files_have_them_too() -> None:
    assert [each.name for each in choose_columns(PICKY, {})][-2:] == ["always", "a"]
    assert [each.name for each in choose_columns(PICKY, {"pick": ["c"]}, ["c", "position"])] == ["c", "position"]
    with pytest.raises(InvalidInput, match="these answers have no 'b': pick does not name it") as error:
        choose_columns(PICKY, {"pick": ["c"]}, ["b"])
    assert error.value.field == "fields"
    with pytest.raises(InvalidInput, match="has no field 'd'"):
        choose_columns(PICKY, {"pick": ["c"]}, ["d"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (replace(PICK, choices=("a", "z")), r"picks columns that are not declared: \['z'\]"),
        (replace(PICK, most=0, default="a"), "no list of choices"),
        (replace(LIST, picks_columns=True), "no list of choices"),
        (replace(PICK, default=("a", "z")), "'z' of pick is none of its choices"),
    ],
)
def test_a_declaration_that_picks_what_is_not_there(changed: Parameter, words: str) -> None:
    with pytest.raises(BadDeclaration, match=words):
        register([type(toy(parameters=[changed], columns=Picky.columns))])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["a", "d"], 'must be one of a, b, c; not "d".'),
        (["a", "A"], 'must be one of a, b, c; not "A".'),
        (["a", None], "may not be null"),
        (["a", ["b"]], "must be one of a, b, c; not "),
        (["a", 1], 'must be one of a, b, c; not "1".'),
        (["a", "b\0"], "must be one of a, b, c; not "),
        (["b", "a", "b"], '"b" is named 2 times.'),
        ([], "at least 1"),
        (["a"] * 10_000, "no more than 3"),
        ("a", "Expected a list"),
        ({"a": 1}, "Expected a list"),
        (None, "may not be null"),
        (5, "Expected a list"),
        (math.nan, "Expected a list"),
    ],
)
def test_what_is_refused_says_why(value: Any, said: str) -> None:
    found = params_serializer(PICKY)(data={"pick": value})
    assert not found.is_valid()
    assert list(found.errors) == ["pick"]
    assert said in str(found.errors["pick"])
    assert len(str(found.errors["pick"])) < 500


@given(VALUES)
def test_whatever_comes_is_refused_or_a_list_of_the_words(value: Any) -> None:
    found = params_serializer(PICKY)(data={"pick": value})
    if found.is_valid():
        words = found.validated_data["pick"]
        assert words and set(words) <= set(PICK.choices) and len(set(words)) == len(words)
    else:
        assert list(found.errors) == ["pick"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("pick=a,b&list=0,-1e-1", {"pick": ["a", "b"], "list": [0.0, -0.1]}),
        ("pick=a&pick=b", {"pick": ["a", "b"]}),
        ("pick=a,%20b&pick=c", {"pick": ["a", "b", "c"]}),
        ("pick=", {"pick": [""]}),
        ("pick=a,,b&other=1&other=2", {"pick": ["a", "", "b"], "other": "2"}),
        ("list=nan,1", {"list": ["nan", 1.0]}),
    ],
)
def test_a_query_has_lists_with_commas_or_by_repetition(query: str, expected: dict[str, Any]) -> None:
    assert from_query(PICKY, QueryDict(query)) == expected


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4))
def test_any_texts_of_a_query_become_a_list_of_texts(texts: list[str]) -> None:
    query = QueryDict(mutable=True)
    query.setlist("pick", texts)
    found = from_query(PICKY, query)["pick"]
    assert all(isinstance(each, str) and "," not in each for each in found) and len(found) >= len(texts)


def test_options_of_commands(capsys: Any) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Picky.parameters)
    assert options_given(vars(parser.parse_args(["--pick", "a", "c"])), Picky.parameters) == {"pick": ["a", "c"]}
    assert "Default: a" in parser.format_help()
    with pytest.raises(SystemExit):
        parser.parse_args(["--pick", "a", "d"])
    assert "invalid choice: 'd'" in capsys.readouterr().err
    assert parameter("greeks=delta, vanna") == ("greeks", ["delta", "vanna"])
    assert parameter("rate=0.05") == ("rate", 0.05)


def test_types_docs_and_schema_say_that_they_may_be_absent() -> None:
    page, types = docs_page([PICKY]), client_types([PICKY])
    assert "| `b` | float | Second. Only if `pick` names it. |" in page
    assert "| `always` | float | Always. |" in page
    assert "| `pick` | `['a']` | 1 to 3 of: `a`, `b`, `c` | Which. |" in page
    space: dict[str, Any] = {}
    exec(types, space)
    row = space["PickyRow"]
    assert row.__optional_keys__ == {"a", "b", "c"} and "always" in row.__required_keys__
    fields = row_serializer(PICKY)().fields
    assert {name for name, field in fields.items() if not field.required} == {"a", "b", "c"}


def test_defaults_of_ours_are_the_five_of_first_order() -> None:
    for name in ("greeks", "greeks_grid"):
        computation = computations()[name]
        kept = {each.name for each in computation.columns_for(computation.defaults)} & set(computation.picked)
        assert kept == {"delta", "gamma", "theta", "vega", "rho"}
