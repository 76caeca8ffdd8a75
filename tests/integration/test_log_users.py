"""Whom the log lines of a request name: its user, by session or token, and nobody before that is known."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from signalsite.foundation.log_context import user_id

pytestmark = pytest.mark.django_db
JOBS = "/api/v2/signals/batch/jobs"


def test_the_user_of_a_session_and_of_a_token() -> None:
    user = get_user_model().objects.create_superuser("staff", password="a-password-of-staff")
    by_session = Client(headers={"host": "localhost"})
    by_session.force_login(user)
    assert by_session.get("/admin/batch/job/").status_code == 200
    assert user_id() == str(user.pk)

    assert Client(headers={"host": "localhost"}).get(JOBS).status_code == 401
    assert user_id() == ""

    account = {"username": "staff", "password": "a-password-of-staff"}
    signed_in = Client(headers={"host": "localhost"}).post("/api/token", account, content_type="application/json")
    bearer = Client(headers={"host": "localhost", "authorization": f"Bearer {signed_in.json()['access']}"})
    assert bearer.get(JOBS).status_code == 200
    assert user_id() == str(user.pk)
