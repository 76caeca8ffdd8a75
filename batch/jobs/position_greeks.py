"""The Greeks, the value and the shocks of one portfolio over HTTP, without a job."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import orjson
from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.jobs.idempotency import json_response
from batch.jobs.position_shapes import POSITION_EXAMPLE, PositionAnswerSerializer, PositionRequestSerializer
from signals.computations.portfolios import AXES, MOST_LEG_CELLS, Portfolios
from signals.instruments.core.underlyings import currency_of
from signals.positions.core.answer import by_underlying, grid_columns, leg_columns, net, payoff_answer
from signals.positions.core.cells import gather
from signals.positions.core.grid import Cells, Shocks
from signals.positions.core.legs import Leg, read_legs
from signals.positions.services import evaluate_cells, evaluate_legs, statement
from signalsite.foundation.blocks import json_list, to_table
from signalsite.foundation.computations.registry import find
from signalsite.foundation.deadlines import within_time
from signalsite.foundation.errors import InvalidInput
from timeframes.core.sessions import parse_instant

MOST_BYTES = 8 << 20
"""Of a body: 10,000 legs with everything that a leg can have are 4 MB."""
SECONDS = 3.0
WAIT_SECONDS = 1.0
LARGE = 100_000
"""Legs x cells of a large portfolio. Two of them at once would only both take twice as long."""
_places = threading.BoundedSemaphore(max(settings.WEB_THREADS // 3, 1))  # portfolios at once in this process
_place_of_large = threading.BoundedSemaphore(1)


class TooManyPortfolios(APIException):
    status_code = 503
    wait = 4  # Retry-After: 5
    default_detail = "other portfolios are being computed, try again"


class TakesTooLong(APIException):
    status_code = 503
    wait = 4
    default_detail = f"it takes more than {SECONDS:g} s: try again, with fewer cells, or as a job of kind portfolios"


class PositionGreeksView(APIView):
    @extend_schema(
        tags=["positions"],
        request=PositionRequestSerializer,
        responses=PositionAnswerSerializer,
        examples=[POSITION_EXAMPLE],
        operation_id="v2_signals_positions_greeks",
        summary="Net Greeks, value, payoff and shocks of a portfolio of up to 10,000 legs",
    )
    def post(self, request: Request) -> HttpResponse:
        asked = PositionRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return json_response(answer(asked.validated_data))


@contextmanager
def _place(leg_cells: int) -> Iterator[None]:
    """Wait for a place. Raises TooManyPortfolios."""
    deadline = time.monotonic() + WAIT_SECONDS
    with ExitStack() as held:
        for places in (_places, _place_of_large)[: 1 + (leg_cells > LARGE)]:
            if not places.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
                raise TooManyPortfolios
            held.callback(places.release)
        yield


def answer(asked: dict[str, Any]) -> bytes:
    """Return the body of the answer. `asked`: what PositionRequestSerializer read."""
    computation = cast(Portfolios, find("portfolios"))
    params, given = asked["params"], asked.get("as_of")
    legs = read_legs(asked["legs"], computation.bounds, settings.DEFAULT_EXCHANGE)
    shocks = Shocks.of(*(params[axis] for axis in AXES))
    if len(shocks) * len(legs) > MOST_LEG_CELLS:
        raise InvalidInput("params", f"{len(legs)} legs x {len(shocks)} cells; {MOST_LEG_CELLS} are allowed")
    with _place(len(shocks) * len(legs)):
        return _answer(computation, params, legs, shocks, given)


def _answer(
    computation: Portfolios, params: dict[str, Any], legs: list[Leg], shocks: Shocks, given: str | None
) -> bytes:
    deadline = time.monotonic() + SECONDS
    keys = [key for key, _ in legs]
    as_of = parse_instant(given, computation.exchange_of(keys)) if given else None
    with within_time("the quotes of these legs take too long to read, try again"):
        prepared = computation.prepare_keys([keys], as_of, params)
        instant = prepared.as_of or timezone.now()
        inputs = computation.load_legs([legs], instant, params, prepared.context)
    if time.monotonic() > deadline:
        raise TakesTooLong
    values, found = evaluate_legs(inputs)
    cells = _in_time(evaluate_cells(inputs, values, found, shocks), deadline)
    grid = gather(cells, len(shocks), 1)
    totals = statement(inputs, values)
    head = {
        "as_of": instant,
        "params": params,
        **computation.receipt(prepared.context),
        "net": net(totals, values),
        "underlyings": by_underlying(totals, currency_of),
        "payoff": payoff_answer(values),
    }
    rows = json_list(to_table(grid_columns(grid, shocks, totals))), json_list(to_table(leg_columns(keys, values)))
    return b"".join((orjson.dumps(head)[:-1], b',"grid":', rows[0], b',"legs":', rows[1], b"}"))


def _in_time(cells: Iterator[Cells], deadline: float) -> Iterator[Cells]:
    for some in cells:
        yield some
        if time.monotonic() > deadline:
            raise TakesTooLong
