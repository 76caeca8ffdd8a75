"""The instrument service of our own tables, and the stand-in that serves its contract."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.conf import settings as site
from django.contrib.auth import get_user_model
from django.test import Client

from moneyness.instrument_service import external
from moneyness.instrument_service.chosen import instrument_service, mappings
from moneyness.instrument_service.contract import (
    InstrumentServiceClient,
    InstrumentServiceError,
    NothingKnown,
    get_strikes_by_moneyness,
)
from moneyness.instrument_service.core.simulated_smile import simulated_smile
from moneyness.instrument_service.own import OwnInstrumentService
from moneyness.management.commands.simulate_instruments import instrument_server
from moneyness.models import ChainReading
from signals.instruments.services import register_instruments
from tests.integration.portfolios import black
from timeframes.core.keys import parse_key
from timeframes.models import Quote

NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
NAME, EXPIRY, LATER = "NSE@INSTRSVC", "2026-12-29", "2027-01-26"
STRIKES = range(23_000, 25_001, 100)
ADDRESS = "/api/v2/signals/instrument-service"


def option(strike: float, right: str, expiry: str = EXPIRY) -> str:
    return f"{NAME}@equity_options@{expiry}@{right}@{strike:g}"


@pytest.fixture
def market(db: None) -> None:
    """Two expiries of one underlying with prices at 15 % of volatility, and its spot at 24,020."""
    spot = f"{NAME}@equity_spot"
    keys = [option(k, right, expiry) for expiry in (EXPIRY, LATER) for k in STRIKES for right in ("call", "put")]
    register_instruments({key: parse_key(key) for key in (spot, *keys)}, lot_sizes=[None, *[75] * len(keys)])
    rows = [Quote(instrument_key=spot, time=NOW, last=24_000.0, source="test")]
    for key in keys:
        terms = parse_key(key)
        price = black(float(terms.strike or 0), str(terms.right), str(terms.expiry), 0.15)
        rows.append(Quote(instrument_key=key, time=NOW, last=price, volume=10, source="test"))
    Quote.objects.bulk_create(rows)


@pytest.mark.usefixtures("market")
class TestOfOurOwnTables:
    OWN = OwnInstrumentService(now=lambda: NOW + timedelta(seconds=5))

    def test_the_mapping_counts_strikes_from_the_money(self) -> None:
        found = self.OWN.mapping("INSTRSVC")
        assert (found.underlying, found.expiry, found.atm_strike) == (NAME, EXPIRY, 24_100.0)
        assert found.levels["ATM"] == [24_100.0]
        assert found.levels["OTM1"] == found.levels["ITM1"] == [24_000.0, 24_200.0]
        assert found.levels["OTM10"] == [23_100.0], "the call would be above the highest strike"
        assert self.OWN.mapping(NAME, date(2027, 1, 26)).atm_strike == 24_200.0

    def test_levels_name_contracts(self) -> None:
        found = self.OWN.level(NAME, "OTM1")
        assert found.instruments == [option(24_000, "put"), option(24_200, "call")]
        assert get_strikes_by_moneyness(self.OWN, NAME, "ITM2") == ["23900", "24300"]
        assert self.OWN.level(NAME, "ITM2").instruments == [option(23_900, "call"), option(24_300, "put")]
        band = self.OWN.level(NAME, "OTM_PCT_2_3")
        assert band.strikes == [23_400.0, 23_500.0, 23_600.0, 24_700.0, 24_800.0]
        assert {key.split("@")[4] for key in band.instruments[:3]} == {"put"}
        by_delta = self.OWN.level(NAME, "OTM25D").instruments
        assert len(by_delta) == 2 and {key.split("@")[4] for key in by_delta} == {"call", "put"}
        whole = self.OWN.level(NAME, "OTM")
        assert len(whole.instruments) == len(STRIKES) - 1

    def test_an_option_and_its_facts(self) -> None:
        found = self.OWN.moneyness(option(24_300, "put"))
        assert (found.level, found.in_the_money, found.reason) == ("ITM2", True, None)
        assert found.forward == pytest.approx(24_120, abs=15)
        assert found.percent == pytest.approx(100 * (24_300 / (found.forward or 0) - 1))
        away = self.OWN.moneyness(option(24_350, "call"))
        assert away.level is None and away.reason is not None
        facts = self.OWN.metadata(option(24_300, "put"))
        assert (facts.lot_size, facts.strike, facts.option_type, facts.expiry) == (75, 24_300.0, "put", EXPIRY)
        with pytest.raises(NothingKnown):
            self.OWN.metadata(option(1, "put"))
        with pytest.raises(NothingKnown):
            self.OWN.mapping("NSE@NOBODY")
        with pytest.raises(NothingKnown):
            self.OWN.mapping(NAME, date(2027, 1, 1))

    def test_volatility_and_deltas(self) -> None:
        assert self.OWN.atm_volatility(NAME).atm_implied_volatility == pytest.approx(0.15, abs=1e-4)
        found = self.OWN.otm_delta(NAME, 0.25, "put")
        assert found.strike is not None and found.nearest_delta == pytest.approx(-0.25, abs=0.02)
        assert found.nearest_instrument_key == option(found.nearest_strike or 0, "put")

    def test_history_is_what_was_recorded(self) -> None:
        day = {
            "underlying": NAME,
            "as_of": NOW,
            "method": "nearest",
            "implied_volatility": 0.14,
            "atm_strike": 24_000.0,
        }
        for minute in (0, 1):
            time = NOW + timedelta(minutes=minute)
            ChainReading.objects.create(term_key=f"{NAME}:{EXPIRY}", time=time, expiry=date(2026, 12, 29), **day)
        ChainReading.objects.create(term_key=f"{NAME}:30d", time=NOW, days=30.0, **day)
        found = self.OWN.history(NAME, NOW, NOW + timedelta(minutes=1))
        assert found.complete and [(row.time, row.atm_implied_volatility) for row in found.data] == [
            (NOW.isoformat(), 0.14)
        ]

    def test_a_live_state_comes_first_while_it_is_young(self) -> None:
        live = simulated_smile(NAME, date(2026, 12, 29), NOW)
        own = OwnInstrumentService(newest=lambda underlying, expiry: live, now=lambda: NOW + timedelta(seconds=60))
        assert live is not None and own.mapping(NAME).atm_strike == live.atm_strike != 24_100.0
        later = OwnInstrumentService(newest=own.newest, now=lambda: NOW + timedelta(seconds=61))
        assert later.mapping(NAME).atm_strike == 24_100.0

    def test_over_http(self) -> None:
        http = Client()
        http.force_login(get_user_model().objects.create_user("desk"))
        assert http.get(f"{ADDRESS}/metadata", {"instrument_key": option(24_300, "put")}).json()["lot_size"] == 75
        found = http.get(f"{ADDRESS}/mapping", {"underlying": "INSTRSVC"})
        assert found.status_code == 404, "today its quotes are too old, or not there yet"
        for query in ({}, {"underlying": "x" * 200}, {"underlying": NAME, "expiry": "2026"}, {"underlying": "\x00"}):
            assert http.get(f"{ADDRESS}/mapping", query).status_code == 400
        for path, query in (
            ("level", {"underlying": NAME, "level": "DEEP"}),
            ("otm-delta", {"underlying": NAME, "delta": "nan", "option_type": "put"}),
            ("otm-delta", {"underlying": NAME, "delta": "0.0", "option_type": "put"}),
            ("moneyness", {"instrument_key": f"{NAME}@equity_spot"}),
            ("history", {"underlying": NAME, "start_time": "2026-01-01", "end_time": "0001-01-01"}),
            ("history", {"underlying": NAME, "start_time": "2020-01-01", "end_time": "2026-01-01"}),
        ):
            assert http.get(f"{ADDRESS}/{path}", query).status_code == 400, path
        assert Client().get(f"{ADDRESS}/mapping", {"underlying": NAME}).status_code in (401, 403)


class TestOfTheStandIn:
    @pytest.fixture
    def stand_in(self, settings: Any) -> Iterator[InstrumentServiceClient]:
        with instrument_server(0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            settings.INSTRUMENT_SERVICE_URL = f"http://127.0.0.1:{server.server_port}"
            settings.INSTRUMENT_SERVICE_SECONDS = 3.0
            external.service.breaker.close()
            yield instrument_service()
            server.shutdown()

    def test_it_serves_the_contract(self, stand_in: InstrumentServiceClient) -> None:
        found = stand_in.mapping(NAME)
        assert len(found.levels) == 81 and found.levels["ATM"] == [found.atm_strike]
        first = stand_in.level(NAME, "OTM1", date.fromisoformat(found.expiry)).instruments
        assert [stand_in.moneyness(key).level for key in first] == ["OTM1", "OTM1"]
        assert stand_in.metadata(first[0]).underlying == NAME
        assert 0.1 < (stand_in.atm_volatility(NAME).atm_implied_volatility or 0) < 0.2
        delta = stand_in.otm_delta(NAME, 0.25, "call")
        assert delta.nearest_delta == pytest.approx(0.25, abs=0.1)
        history = stand_in.history(NAME, NOW, NOW + timedelta(hours=3))
        assert len(history.data) == 3 and history.complete
        with pytest.raises(NothingKnown):
            stand_in.mapping(NAME, date(2001, 1, 1))
        with pytest.raises(InstrumentServiceError, match="400"):
            stand_in.level(NAME, "DEEP")

    @pytest.mark.django_db
    def test_our_addresses_answer_from_it(self, stand_in: InstrumentServiceClient) -> None:
        http = Client()
        http.force_login(get_user_model().objects.create_user("desk"))
        own = http.get(f"{ADDRESS}/mapping", {"underlying": NAME}).json()
        assert own["levels"] == msgspec.to_builtins(stand_in.mapping(NAME))["levels"] and own["stale"] is False
        assert mappings(stand_in).name == site.INSTRUMENT_SERVICE_URL
