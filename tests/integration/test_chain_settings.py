"""Settings of chains: what forms refuse, what the selector makes of rows, and the admin's page."""

import re
from dataclasses import replace

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client

from moneyness.core.chain_params import AtmVolatility, Band, ChainParams, DealerSign, GammaFormula
from moneyness.models import ChainSettings
from moneyness.selectors import chain_params, chain_rules
from signals.instruments.models import Underlying

pytestmark = pytest.mark.django_db
DEFAULT = ChainParams(strikes=settings.CHAIN_STRIKES)
PATH = "/admin/moneyness/chainsettings/"
BAD_LISTS = ("x", "0.5;0.6", ",", "0.1,,0.2", "1e400", "NaN", "-0.1", "0.1, 0.1", "0.1\n0.2", "\u0661", "0" * 1001)
HOSTILE = [
    ("strikes", 0),
    ("strikes", 1001),
    ("strikes", 10**400),
    ("bands", "OTM_PCT_5_2"),
    ("bands", "ATM"),
    ("bands", "OTM25D"),
    ("bands", "OTM_PCT_0_2, OTM_PCT_0_2"),
    ("bands", ", ".join(f"OTM_PCT_{low}_{low + 1}" for low in range(21))),
    ("hysteresis", 0.49),
    ("hysteresis", 1.01),
    ("hysteresis", float("nan")),
    ("hysteresis", float("inf")),
    ("worst_fit", 0),
    ("worst_fit", float("nan")),
    ("walls", 51),
    ("walls", -1),
    ("record_seconds", 7),
    ("record_seconds", 10**400),
    ("atm_volatility", "straddles"),
    ("gamma_formula", ""),
    ("dealer_sign", "'; --"),
    *[(name, text) for name in ("bands", "deltas", "tenors") for text in BAD_LISTS],
    ("deltas", "0"),
    ("deltas", "1"),
    ("tenors", "3651"),
]


@pytest.fixture
def nifty() -> Underlying:
    return Underlying.objects.create(key="NSE@NIFTY", exchange="NSE", symbol="NIFTY", spot_key="NSE@NIFTY@equity_spot")


@pytest.fixture
def staff() -> Client:
    browser = Client(headers={"host": "localhost"})
    browser.force_login(get_user_model().objects.create_superuser("staff"))
    return browser


@pytest.mark.parametrize(("field", "value"), HOSTILE)
def test_what_a_form_refuses_is_named(nifty: Underlying, field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        ChainSettings(underlying=nifty, **{field: value}).full_clean()
    assert list(caught.value.message_dict) == [field]


def test_a_row_decides_and_the_others_have_the_defaults(nifty: Underlying) -> None:
    row = ChainSettings(
        underlying=nifty,
        strikes=3,
        bands="OTM_PCT_0_2, ITM_LOG_0_0.02",
        deltas="0.25, 0.1",
        tenors="",
        hysteresis=0.5,
        atm_volatility="straddle",
        gamma_formula="notional",
        dealer_sign="short_all",
        walls=0,
        worst_fit=0.01,
        record_seconds=5,
    )
    row.full_clean()
    row.save()
    found = chain_rules(["NSE@NIFTY", "NSE@BANKNIFTY"])
    assert found["NSE@BANKNIFTY"].params == DEFAULT
    assert found["NSE@BANKNIFTY"].record_seconds == settings.MONEYNESS_RECORD_SECONDS
    assert found["NSE@NIFTY"].record_seconds == 5
    assert found["NSE@NIFTY"].params == ChainParams(
        strikes=3,
        bands=(
            Band(low=0.0, high=2.0, logarithmic=False, out_of=True),
            Band(low=0.0, high=0.02, logarithmic=True, out_of=False),
        ),
        deltas=(0.1, 0.25),
        tenors=(),
        hysteresis=0.5,
        atm_volatility=AtmVolatility.STRADDLE,
        gamma_formula=GammaFormula.NOTIONAL,
        dealer_sign=DealerSign.SHORT_ALL,
        walls=0,
        worst_fit=0.01,
    )


def test_an_untouched_row_is_the_default(nifty: Underlying) -> None:
    ChainSettings.objects.create(underlying=nifty)
    assert chain_params(["NSE@NIFTY"]) == {"NSE@NIFTY": replace(DEFAULT)}


@pytest.mark.parametrize(
    "change",
    [
        "bands = E'x\\n'",
        "hysteresis = 'NaN'",
        "worst_fit = 'Infinity'",
        "deltas = '1e999'",
        "strikes = 30000",
        "atm_volatility = ''",
        "record_seconds = 7",
        "walls = 30000",
    ],
)
def test_a_row_that_no_form_accepts_counts_as_absent(
    nifty: Underlying, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    ChainSettings.objects.create(underlying=nifty, strikes=2)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE moneyness_chain_settings SET {change}")
    assert chain_params(["NSE@NIFTY"])["NSE@NIFTY"] == DEFAULT
    assert "the chain settings of NSE@NIFTY cannot be read" in caplog.text


def test_staff_change_them_in_the_admin(staff: Client, nifty: Underlying) -> None:
    page = staff.get(f"{PATH}add/").content.decode()
    assert not re.search(r"<[^>]*\sstyle=|<[^>]*\son\w+=", page)
    form = {
        "underlying": "NSE@NIFTY",
        "strikes": "5",
        "bands": "OTM_PCT_0_2",
        "deltas": "0.25",
        "tenors": "30",
        "hysteresis": "0.7",
        "record_seconds": "60",
        "atm_volatility": "nearest",
        "worst_fit": "0.02",
        "gamma_formula": "per_point",
        "dealer_sign": "long_all",
        "walls": "2",
    }
    wrong = staff.post(f"{PATH}add/", {**form, "bands": "OTM_PCT_2_0", "hysteresis": "1e400", "walls": "9" * 400})
    assert wrong.status_code == 200 and "is no band such as" in wrong.content.decode()
    assert not ChainSettings.objects.exists()
    assert staff.post(f"{PATH}add/", form).status_code == 302
    assert chain_params(["NSE@NIFTY"])["NSE@NIFTY"].dealer_sign is DealerSign.LONG_ALL
    assert "OTM_PCT_0_2" in staff.get(PATH).content.decode()
    assert staff.get(f"{PATH}NSE_40NIFTY/change/").status_code == 200
