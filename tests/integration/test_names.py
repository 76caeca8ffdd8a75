"""What is no name is not looked for."""

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from signalsite.accounts.backend import LONGEST_NAME, LONGEST_PASSWORD

pytestmark = pytest.mark.django_db


def test_the_longest_name_is_the_tables():
    assert User._meta.get_field("username").max_length == LONGEST_NAME


@pytest.mark.parametrize(
    ("name", "password"), [("a" * (LONGEST_NAME + 1), "x"), ("anna", "x" * (LONGEST_PASSWORD + 1))]
)
def test_longer_ones_cost_no_query(django_assert_num_queries, name, password):
    with django_assert_num_queries(0):
        assert authenticate(username=name, password=password) is None


def test_the_longest_one_signs_in():
    User.objects.create_user("a" * LONGEST_NAME, password="long enough")
    assert authenticate(username="a" * LONGEST_NAME, password="long enough") is not None
