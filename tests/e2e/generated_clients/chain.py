"""Reads a live chain and computes Greeks with the client that openapi-python-client generates from /api/schema."""

import json
import sys

from signal_service.api.batch import v2_signals_batch_greeks_create as compute_greeks
from signal_service.api.realtime import v2_signals_realtime_chain_retrieve as read_chain
from signal_service.client import AuthenticatedClient
from signal_service.models.greeks_answer import GreeksAnswer
from signal_service.models.greeks_params_request import GreeksParamsRequest
from signal_service.models.greeks_submission_request import GreeksSubmissionRequest
from signal_service.models.greeks_submission_request_items_item_type_1 import GreeksSubmissionRequestItemsItemType1
from signal_service.models.live_chain import LiveChain
from signal_service.models.live_greeks_status import LiveGreeksStatus
from signal_service.models.live_instrument import LiveInstrument
from signal_service.models.no_live_instrument import NoLiveInstrument
from signal_service.models.problem import Problem


def delta(value: LiveInstrument | NoLiveInstrument | None) -> float | None:
    if isinstance(value, LiveInstrument) and value.greeks and value.greeks.status == LiveGreeksStatus.OK:
        return value.greeks.delta
    return None


def main(address: str, token: str, underlying: str) -> None:
    client = AuthenticatedClient(base_url=address, token=token)
    chain = read_chain.sync(underlying, client=client, strikes="all")
    assert isinstance(chain, LiveChain), chain
    first = chain.strikes[0].call
    assert isinstance(first, LiveInstrument), first
    body = GreeksSubmissionRequest(
        items=[
            first.instrument_key,
            GreeksSubmissionRequestItemsItemType1(instrument_key=first.instrument_key, price=12.5),
        ],
        params=GreeksParamsRequest(rate=0.05),
        as_of=chain.at.isoformat(),
    )
    answer = compute_greeks.sync(client=client, body=body)
    assert isinstance(answer, GreeksAnswer), answer
    wrong = read_chain.sync("no underlying", client=client)
    assert isinstance(wrong, Problem) and wrong.errors
    shown = {
        "expiry": chain.expiry,
        "source": chain.forward_source,
        "strikes": [[row.strike, delta(row.call), delta(row.put)] for row in chain.strikes],
        "rows": [row.instrument_key for row in answer.data],
        "rate": answer.params.rate,
        "wrong": wrong.errors[0].field,
    }
    print(json.dumps(shown))


main(*sys.argv[1:])
