"""The contract of computations: which declarations are valid, and what follows from them."""

import argparse
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.jobs.core.chunk_size import chunk_size
from batch.jobs.generated_files import client_types, docs_page, outdated
from batch.jobs.preparation import selection_error
from signalsite.foundation.computations.answers import WrongAnswers, declared
from signalsite.foundation.computations.arrow import schema
from signalsite.foundation.computations.columns import BAD_INPUT, Column, StatusWord
from signalsite.foundation.computations.contract import Answers, Bounds, Computation, Override, Parameter, Prepared
from signalsite.foundation.computations.options import add_options
from signalsite.foundation.computations.options import given as options_given
from signalsite.foundation.computations.registry import BadDeclaration, computations, register
from signalsite.foundation.computations.requests import params_serializer
from tests.core.hostile import VALUES

NUMBER = Parameter(name="number", type=float, default=1.0, bounds=Bounds(0.0, 10.0, above=0.0), help="A number.")
COUNT = Parameter(name="count", type=int, default=3, bounds=Bounds(1, 5), help="A whole number.")
WORD = Parameter(name="word", type=str, default="a", choices=("a", "b"), help="A word.")
FLAG = Parameter(name="flag", type=bool, default=False, help="A flag.")
LIST = Parameter(name="list", type=float, default=(0.0, 1.0), bounds=Bounds(-1.0, 1.0), most=4, help="Numbers.")
MAYBE = Parameter(name="maybe", type=float, default=None, nullable=True, bounds=Bounds(0.0, 1.0), help="Or null.")


class Toy(Computation):
    name = "toy"
    version = 1
    summary = "A toy"
    parameters: ClassVar[Any] = (NUMBER, COUNT, WORD, FLAG, LIST, MAYBE)
    overrides: ClassVar[Any] = (Override("weight", Bounds(0.0, 1.0), "How much."),)
    columns: ClassVar[Any] = (Column("value", float, "A value."), Column("label", str, "A label."))
    statuses: ClassVar[Any] = (StatusWord("later", "not yet", retryable=True), StatusWord("never", "not ever"))

    def exchange(self, keys: Any, selector: Any) -> str:
        return "NSE"

    def check_selector(self, selector: Any) -> None: ...

    def prepare(self, runs: Any, as_of: Any, params: Any) -> Prepared:
        return Prepared(as_of, {})

    def prepare_selector(self, selector: Any, as_of: Any, params: Any) -> Prepared:
        return Prepared(as_of, {}, [])

    def load(self, keys: Any, overrides: Any, as_of: Any, params: Any, context: Any) -> Any: ...

    def evaluate(self, inputs: Any) -> Answers:
        return Answers({})


def toy(**attributes: Any) -> Computation:
    return type("Other", (Toy,), attributes)()


class TestRegistry:
    def test_every_declaration_of_ours_is_found_and_is_right(self) -> None:
        assert {"greeks", "greeks_grid", "quotes"} <= set(computations())
        assert list(register(type(each) for each in computations().values())) == list(computations())

    def test_two_of_a_name_are_an_error_that_says_where(self) -> None:
        with pytest.raises(BadDeclaration, match=r"Other and .*Toy are both named 'toy'"):
            register([Toy, type(toy())])

    @pytest.mark.parametrize(
        ("attributes", "words"),
        [
            ({"name": "No Name"}, "'No Name' is no name"),
            ({"name": "jobs/../x"}, "is no name"),
            ({"columns": [Column("value", float, ""), Column("value", str, "")]}, "'value' stands 2 times"),
            ({"columns": [Column("status", str, "")]}, "'status' stands 2 times"),
            ({"columns": [Column("position", int, "")]}, "'position' stands 2 times"),
            ({"parameters": [COUNT, COUNT]}, "'count' stands 2 times"),
            ({"overrides": [Override("custom_id", Bounds(0, 1), "")]}, "'custom_id' stands 2 times"),
            ({"statuses": [StatusWord("ok", "")]}, "'ok' stands 2 times"),
            ({"parameters": [replace(NUMBER, bounds=None)]}, "number has no bounds"),
            ({"parameters": [replace(MAYBE, bounds=None)]}, "maybe has no bounds"),
            ({"parameters": [replace(NUMBER, default=0.0)]}, "default 0.0 of number is outside"),
            (
                {"parameters": [Parameter(name="x", type=int, default=9, bounds=Bounds(0, 5), help="")]},
                "default 9 of x",
            ),
            (
                {"parameters": [Parameter(name="x", type=str, default="c", choices="ab", help="")]},
                "none of its choices",
            ),
            ({"parameters": [replace(LIST, most=1)]}, "longer than 1"),
        ],
    )
    def test_a_declaration_that_contradicts_itself(self, attributes: dict[str, Any], words: str) -> None:
        with pytest.raises(BadDeclaration, match=words):
            register([type(toy(**attributes))])


class TestParams:
    def read(self, **given: Any) -> Any:
        return params_serializer(_TOY)(data=given)

    def test_defaults_are_filled_in(self) -> None:
        found = self.read()
        assert found.is_valid()
        assert found.validated_data == {
            "number": 1.0,
            "count": 3,
            "word": "a",
            "flag": False,
            "list": [0.0, 1.0],
            "maybe": None,
        }

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("number", value) for value in (0, 10.1, "1", True, None, math.nan, math.inf, 10**400, -(10**400), [1])),
            *(("count", value) for value in (0, 6, 2.0, "2", True, None, 10**400, 1e400)),
            *(("word", value) for value in ("c", 1, None, ["a"], {})),
            *(("flag", value) for value in (1, "true", None)),
            *(("list", value) for value in ([], [2], [0] * 5, [0] * 1_000_000, [[0]], {"0": 0}, 0, None, [math.nan])),
            ("list", [10**400]),
            ("maybe", 1.5),
            ("unknown", 1),
        ],
    )
    def test_what_is_outside_is_refused_by_name(self, name: str, value: Any) -> None:
        found = self.read(**{name: value})
        assert not found.is_valid()
        assert list(found.errors) == [name]

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.dictionaries(st.sampled_from(["number", "count", "word", "flag", "list", "maybe", "x"]), VALUES, max_size=3)
    )
    def test_whatever_comes_is_refused_or_within_the_declared_bounds(self, given_: dict[str, Any]) -> None:
        found = self.read(**given_)
        if not found.is_valid():
            assert found.errors
            return
        for parameter in _TOY.parameters:
            value = found.validated_data[parameter.name]
            if value is None:
                assert parameter.nullable
                continue
            values = value if parameter.most else [value]
            assert all(type(each) is parameter.type for each in values)
            assert not parameter.most or 0 < len(values) <= parameter.most
            assert not parameter.bounds or all(parameter.bounds.admits(each) for each in values)
            assert not parameter.choices or set(values) <= set(parameter.choices)


_TOY = Toy()


class TestAnswers:
    def test_the_word_says_whether_trying_again_can_help(self) -> None:
        columns = {
            "label": ["x"] * 4,
            "value": np.ones(4),
            "reason": [None] * 4,
            "status": ["ok", "later", "never", "bad_input"],
        }
        found = declared(_TOY, Answers(columns), {})
        assert list(found) == ["status", "reason", "retryable", "value", "label"]
        assert found["retryable"] == [False, True, False, False]
        assert _TOY.retryable == ("later", "cancelled", "internal_error")

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            (
                {"status": ["who"], "reason": [None], "value": [1.0], "label": [""]},
                "'who', which is no status word",
            ),
            ({"status": ["ok"], "reason": [None], "value": [1.0]}, "label"),
            ({"status": ["ok"], "reason": [None], "value": [1.0], "label": [""], "more": [1]}, "more"),
        ],
    )
    def test_what_is_not_declared_is_not_answered(self, columns: Any, words: str) -> None:
        with pytest.raises(WrongAnswers, match=words):
            declared(_TOY, Answers(columns), {})

    def test_a_common_word_may_be_declared_too(self) -> None:
        assert [each.word for each in toy(statuses=[BAD_INPUT]).words] == ["bad_input", "cancelled", "internal_error"]


def test_the_arrow_schema_follows_the_declaration() -> None:
    found = schema(_TOY.file_columns)
    assert found.names[:7] == ["position", "custom_id", "instrument_key", "underlying", "expiry", "strike", "right"]
    assert found.names[7:10] == ["status", "reason", "retryable"]
    assert (found.field("value").type, found.field("label").type) == (pa.float64(), pa.string())


def test_page_and_types_are_current() -> None:
    assert outdated(computations().values()) == []


def test_page_and_types_of_a_new_one() -> None:
    page, types = docs_page([_TOY]), client_types([_TOY])
    assert "| `list` | `[0.0, 1.0]` | 1 to 4 of: from -1 to 1 | Numbers. |" in page
    assert "| `later` | not yet | yes |" in page
    space: dict[str, Any] = {}
    exec(types, space)
    assert space["ToyRow"].__annotations__["value"] == float | None
    assert set(space["ToyItem"].__annotations__) == {"instrument_key", "custom_id", "weight"}
    assert "list" in space["ToyParams"].__annotations__


@pytest.mark.parametrize(
    ("total", "rows", "size"), [(5000, 1000, 5), (10, 1000, 1), (100_000, 1, 5000), (100, 15, 33), (3, 6000, 1)]
)
def test_chunks_are_bounded_by_rows(total: int, rows: int, size: int) -> None:
    assert chunk_size(total, 2, rows=rows) == size


def test_a_selector_of_too_many_rows_fails_its_job() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    assert selection_error(Prepared(now, {}, ["x"] * 5000), 1000) == ""
    said = selection_error(Prepared(now, {}, ["x"] * 5001), 1000)
    assert said == "5001 items of up to 1000 rows each are 5001000 rows; 5000000 are allowed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--number", "nan"], "argument --number: must be over 0 and at most 10, not nan"),
        (["--number", "inf"], "argument --number: must be over 0 and at most 10, not inf"),
        (["--number", "0"], "argument --number: must be over 0 and at most 10, not 0"),
        (["--number", "1e400"], "argument --number: must be over 0"),
        (["--number", "much"], "argument --number: 'much' is no number"),
        (["--count", "1.5"], "argument --count: '1.5' is no whole number"),
        (["--count", "9" * 5000], "argument --count: "),
        (["--list", "0", "inf"], "argument --list: must be from -1 to 1, not inf"),
    ],
)
def test_an_option_is_a_number_within_its_bounds(words: list[str], said: str, capsys: Any) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Toy.parameters)
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert said in capsys.readouterr().err


def test_options_are_the_parameters_that_are_given() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Toy.parameters)
    options = vars(parser.parse_args(["--number", "10", "--count", "5", "--list", "-1", "1e-3"]))
    assert options_given(options, Toy.parameters) == {"number": 10.0, "count": 5, "list": [-1.0, 0.001]}
