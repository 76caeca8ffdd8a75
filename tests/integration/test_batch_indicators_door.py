"""POST batch/indicators: a few items are answered at once, more become a job, and both have the numbers of pages."""

import orjson
import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from batch.jobs.models import Job
from tests.integration.test_indicators_door import BARS, BEGIN, MINUTE, PAIR, history, stored  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

LAST = BEGIN + BARS * MINUTE


def post(**body):
    user = User.objects.create(username="trader")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="batch"))
    client = APIClient()
    client.force_authenticate(user)
    response = client.post("/api/v2/signals/batch/indicators", body, format="json")
    return response.status_code, orjson.loads(response.content)


PARAMS = {"indicators": ["rsi(length=9)", "bbands(length=20,std=2.5)"], "timeframe": "1m", "days": 0.02}


def test_a_few_items_are_answered_at_once_with_the_numbers_of_pages() -> None:
    status, answer = post(items=[PAIR], params=PARAMS, as_of=LAST.isoformat())
    assert status == 200, answer
    page = history("rsi", length="9", limit="5000")
    wanted = {row["time"]: row["values"]["RSI_9"] for row in page["data"]}
    rows = [row for row in answer["data"] if row["output"] == "RSI_9"]
    assert len(rows) > 20
    for row in rows:
        assert row["value"] == pytest.approx(wanted[row["bar_time"]], rel=1e-9)
        assert row["indicator"] == "rsi(length=9)"


def test_more_become_a_job() -> None:
    status, answer = post(items=[PAIR], params={**PARAMS, "days": 0.6}, as_of=LAST.isoformat(), **{"async": True})
    assert status == 202, answer
    assert Job.objects.get(pk=answer["id"]).kind == "indicators"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("rsy", "rsi"),
        ("rsi(len=9)", "length"),
        ("rsi(length=0)", "from 1 to 1000"),
        (f"rsi(length={10**400})", "is no indicator"),
        ("rsi(length=9", "is no indicator"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(given: str, text: str) -> None:
    status, answer = post(items=[PAIR], params={**PARAMS, "indicators": [given]})
    assert status == 400
    assert text in orjson.dumps(answer).decode()
