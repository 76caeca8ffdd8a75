"""What the tests of hostile values share."""

import httpx

LIVE = "/api/v2/signals/realtime"
KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"
PROBLEM = "application/problem+json"


def assert_refused(answer: httpx.Response, field: str, status: int = 400) -> None:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and problem["detail"]
    assert {error["field"] for error in problem["errors"]} == {field}, problem["detail"]
    assert len(answer.content) < 20_000  # whatever was sent is not sent back
