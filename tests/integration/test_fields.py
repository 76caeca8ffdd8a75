"""Serializers make no more errors than an answer names, whatever is sent."""

from rest_framework import serializers

from signalsite.foundation.fields import Day, Several
from signalsite.foundation.problem_json import MOST_ERRORS
from signalsite.foundation.serializers import StrictSerializer


class Form(StrictSerializer):
    days = Several(child=Day(), required=False, max_length=10)
    note = serializers.CharField(required=False)


def test_unknown_fields_are_named_up_to_what_an_answer_lists() -> None:
    form = Form(data={f"x{n}": 1 for n in range(5000)})
    assert not form.is_valid()
    assert list(form.errors) == [f"x{n}" for n in range(MOST_ERRORS)]


def test_a_list_that_is_too_long_is_one_error() -> None:
    form = Form(data={"days": [1] * 11})
    assert not form.is_valid()
    assert form.errors == {"days": ["Ensure this field has no more than 10 elements."]}
    assert Form(data={"days": ["2026-03-30"] * 10}).is_valid()
