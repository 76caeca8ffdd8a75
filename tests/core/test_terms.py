"""What an option's key alone says: the terms that a listed contract would have."""

import math
from datetime import UTC, date, datetime

import pytest

from signals.instruments.core.terms import option_of, option_terms, options_end


@pytest.mark.parametrize(
    ("key", "sign", "strike", "ends"),
    [
        # Exchanges' own hours: NSE's derivatives close at 15:40 since August 2026, at 15:30 before.
        ("NSE@NIFTY@equity_options@2026-12-29@call@24125", 1.0, 24125.0, datetime(2026, 12, 29, 10, 10, tzinfo=UTC)),
        ("NSE@NIFTY@equity_options@2026-06-30@put@102.5", -1.0, 102.5, datetime(2026, 6, 30, 10, 0, tzinfo=UTC)),
        ("DERIBIT@BTC@crypto_options@2026-12-25@put@90000", -1.0, 90000.0, datetime(2026, 12, 25, 8, tzinfo=UTC)),
        # A third Friday: SPX settles on the opening, SPXW at the close.
        ("CBOE@SPX@equity_options@2026-06-19@call@5000", 1.0, 5000.0, datetime(2026, 6, 19, 13, 30, tzinfo=UTC)),
        ("CBOE@SPXW@equity_options@2026-06-18@call@5000", 1.0, 5000.0, datetime(2026, 6, 18, 20, 0, tzinfo=UTC)),
        ("NSE@NIFTY@equity_options@2199-12-31@call@1", 1.0, 1.0, datetime(2199, 12, 31, 10, 10, tzinfo=UTC)),
        ("NSE@NIFTY@equity_options@1970-01-01@call@1", 1.0, 1.0, datetime(1970, 1, 1, 10, 0, tzinfo=UTC)),
    ],
)
def test_terms(key: str, sign: float, strike: float, ends: datetime) -> None:
    terms = option_terms(key)
    assert terms is not None
    assert (terms.sign, terms.strike) == (sign, strike)
    assert datetime.fromtimestamp(terms.expires_at, UTC) == ends
    assert (terms.underlying, str(terms.expiry), terms.product) == (
        "@".join(key.split("@")[:2]),
        *key.split("@")[3:1:-1],
    )
    assert terms.expires_at == options_end(terms.underlying, terms.expiry)


def test_an_exchange_without_a_calendar_has_no_moment() -> None:
    terms = option_terms("XETRA@DAX@equity_options@2026-12-18@call@20000")
    assert terms is not None and terms.strike == 20000.0 and math.isnan(terms.expires_at)
    assert math.isnan(options_end("XETRA@DAX", date(2026, 12, 18)))


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "NSE@NIFTY", "NSE@NIFTY@equity_spot", "NSE@NIFTY@equity_futures@2026-12-29", "BTC/USDT"),
        "NSE@NIFTY@equity_options@2026-02-30@call@1",
        "NSE@NIFTY@equity_options@2026-12-29@CE@1",
        "NSE@NIFTY@equity_options@2026-12-29@call@0",
        "NSE@NIFTY@equity_options@2026-12-29@call@" + "1" * 10**5,
    ],
)
def test_what_is_no_option(text: str) -> None:
    assert option_of(text) is None and option_terms(text) is None
