"""Tables of rates, dividends and yields: what each cell becomes, and why a row is rejected."""

import math
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.importers.core.dividends import read_dividends
from signals.importers.core.rates import PRESETS, REPEATED, CurvePoint, RateConventions, read_rates, tenor_days
from signals.importers.core.tables import BadRow, Dates, NotATable, Unit
from signals.rates.core.conversions import Compounding

INR = RateConventions(currency="INR")
DAY = date(2026, 6, 11)


def points(text: str, conventions: RateConventions = INR) -> dict[tuple[str, str, int], float]:
    found = read_rates(text, conventions).points
    return {(point.currency, f"{point.day}", point.tenor_days): point.rate for point in found}


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("91", 91), ("91d", 91), ("14 days", 14), ("2w", 14), ("1 Mo", 30), ("1.5 Month", 46), ("2 Mo", 61),
        ("3 Mo", 91), ("3m", 91), ("6 Mo", 182), ("9 months", 274), ("1 Yr", 365), ("12m", 365), ("30 Yr", 10_950),
        ("100y", 36_500), ("ON", 1), ("Overnight", 1), ("10-day", 10),
    ],
)  # fmt: skip
def test_tenors(text: str, days: int) -> None:
    assert tenor_days(text) == days


@pytest.mark.parametrize("text", ["", "0", "101y", "99999", "-3m", "3 fortnights", "1e9", "٣", "m", "nan", "9" * 99])
def test_what_is_no_tenor(text: str) -> None:
    with pytest.raises(BadRow) as error:
        tenor_days(text)
    assert error.value.field.startswith("tenor is")


def test_a_long_table() -> None:
    text = "Currency,Date,Tenor,Rate,note\nINR,2026-06-11,91,0.061,x\nUSD,11-Jun-2026,1y,4.2%,\n"
    assert points(text, RateConventions()) == {
        ("INR", "2026-06-11", 91): 0.061,
        ("USD", "2026-06-11", 365): pytest.approx(0.042),
    }


@pytest.mark.parametrize("head", ["Rate (%)", "yield (%)"])
def test_a_header_may_say_that_rates_are_in_percent(head: str) -> None:
    assert points(f"date,tenor,{head}\n2026-06-11,91,6.1\n") == {("INR", "2026-06-11", 91): pytest.approx(0.061)}


def test_the_treasurys_par_yields() -> None:
    text = (
        '\ufeffDate,"1 Mo","1.5 Month","3 Mo","6 Mo","1 Yr","2 Yr"\r\n'
        "10/07/2024,5.00,N/A,4.77,4.45,4.24,3.99\r\n10/04/24,5.01,,4.73,4.45,4.20,\r\n"
    )
    found = points(text, PRESETS["us-treasury"])
    assert len(found) == 9
    assert found["USD", "2024-10-07", 91] == pytest.approx(math.log1p(0.0477 * 91 / 365) / (91 / 365))
    # The bond of one year pays half its yield after half a year, where the par yield lies between its neighbours.
    half = 0.0445 + (0.0424 - 0.0445) * 0.5 / 183
    factor = (1 - 0.0212 / (1 + half / 2)) / (1 + 0.0212)
    assert found["USD", "2024-10-07", 365] == pytest.approx(-math.log(factor))
    assert max(tenor for _, day, tenor in found if day == "2024-10-04") == 365


def test_indian_treasury_bills() -> None:
    text = "Date,Tenor,Rate (%)\n11/06/2026,14 days,5.31\n11-06-2026,3 Months,5.42\n11 Jun 2026,12 Months,5.6\n"
    found = points(text, PRESETS["fbil-tbill"])
    assert found["INR", "2026-06-11", 91] == pytest.approx(math.log1p(0.0542 * 91 / 365) / (91 / 365))
    assert [tenor for _, _, tenor in found] == [14, 91, 365]


BAD = [
    ("2026-06-11,91", "wrong number of fields"),
    ('2026-06-11,"91,0.06', "wrong number of fields"),
    ("2026-02-30,91,0.06", "date is not a date"),
    ("06/11/2026,91,0.06", "date is not a date"),
    ("2026-W23-1,91,0.06", "date is not a date"),
    ("1899-12-31,91,0.06", "date is not from 1900-01-01 to 2200-01-01"),
    ("0001-01-01,91,0.06", "date is not from 1900-01-01 to 2200-01-01"),
    ("9999-12-31,91,0.06", "date is not from 1900-01-01 to 2200-01-01"),
    ("2026-06-11,0,0.06", "tenor is not from 1 to 36500 days"),
    ("2026-06-11,soon,0.06", "tenor is neither days nor such as 3m or 1y"),
    ("2026-06-11,91,", "rate is not a number"),
    ("2026-06-11,91,NaN", "rate is not a number"),
    ("2026-06-11,91,-Infinity", "rate is not a number"),
    ("2026-06-11,91,1" + "0" * 400, "rate is not a number"),
    ("2026-06-11,91,1_0", "rate is not a number"),
    ("2026-06-11,91,٣", "rate is not a number"),
    ("2026-06-11,91,0.0\x006", "rate is not a number"),
    ("2026-06-11,91,6.1", "rate is not from -0.5 to 1 a year"),
    ("2026-06-11,91,-0.51", "rate is not from -0.5 to 1 a year"),
    ("2026-06-11,91,1e99", "rate is not from -0.5 to 1 a year"),
    ("2026-06-11," + "9" * 200_000 + ",0.06", "wrong number of fields"),  # csv's own limit of a field
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_bad_row_fails_alone(line: str, reason: str) -> None:
    found = read_rates(f"date,tenor,rate\n2026-06-11,91,0.06\n\n{line}\n2026-06-11,182,0.07\n", INR)
    assert [point.tenor_days for point in found.points] == [91, 182]
    (rejected,) = found.rejected
    assert (rejected.row, rejected.reason, rejected.text) == (4, reason, line)
    assert rejected.detail
    assert found.cells == 3


def test_a_bad_cell_of_a_wide_table_fails_alone() -> None:
    found = read_rates("date,3m,1y\n2026-06-11,x,0.07\n2026-06-12,0.06,7\nnever,0.06,0.07\n", INR)
    assert found.points == [CurvePoint("INR", DAY, 365, 0.07), CurvePoint("INR", date(2026, 6, 12), 91, 0.06)]
    assert [(each.row, each.reason) for each in found.rejected] == [
        (2, "rate of 3m is not a number"),
        (3, "rate is not from -0.5 to 1 a year"),
        (4, "date is not a date"),
    ]
    assert found.cells == 6


def test_of_a_repeated_point_the_last_counts() -> None:
    found = read_rates("date,tenor,rate\n2026-06-11,91,0.06\n2026-06-11,3m,0.07\n", INR)
    assert found.points == [CurvePoint("INR", DAY, 91, 0.07)]
    assert [(each.row, each.reason) for each in found.rejected] == [(2, REPEATED)]


def test_a_rate_that_cannot_be_compounded_is_rejected() -> None:
    annual = RateConventions(currency="INR", compounding=Compounding.ANNUAL)
    found = read_rates("date,tenor,rate\n2026-06-11,91,-0.45\n2026-06-11,182,0.06\n", annual)
    assert [each.reason for each in found.rejected] == ["rate is not from -0.5 to 1 a year"]
    assert found.points == [CurvePoint("INR", DAY, 182, math.log1p(0.06))]


@pytest.mark.parametrize(
    ("text", "conventions", "why"),
    [
        ("", INR, "the file is empty"),
        ("\n , \n", INR, "the file is empty"),
        ("tenor,rate\n91,0.06\n", INR, "no column date"),
        ("date,tenor,rate\n2026-06-11,91,0.06\n", RateConventions(), "no column currency"),
        ("date,tenor,rate\n2026-06-11,91,0.06\n", RateConventions(currency="rupee"), "no column currency"),
        ("date,tenor,price\n2026-06-11,91,0.06\n", INR, "columns are neither date, tenor, rate nor date and tenors"),
        ("date,tenor,rate\n", INR, "none of the 0 rates can be used"),
        ("date,tenor,rate\n2026-06-11,91,6\n", INR, "none of the 1 rates can be used; the first: rate is not from"),
        ("date\n2026-06-11\n", INR, "none of the 1 rates can be used"),
        ('"\n', INR, "a quote is not closed"),
    ],
)
def test_a_file_that_is_no_table_of_rates_is_refused(text: str, conventions: RateConventions, why: str) -> None:
    with pytest.raises(NotATable, match=why):
        read_rates(text, conventions)


PIECES = st.sampled_from(
    ["date", "tenor", "rate", "2026-06-11", "91", "3m", "0.06", ",", "\n", '"', "\x00", "%", "9" * 30]
)


@settings(deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=40).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (
        lambda: read_rates(text, INR),
        lambda: read_rates("date,tenor,rate\n" + text, INR),
        lambda: read_dividends("underlying,ex_date,amount\n" + text, dates=Dates.DMY, unit=Unit.DECIMAL),
    ):
        try:
            read()
        except NotATable as error:
            assert str(error)


def test_dividends() -> None:
    text = (
        "underlying,ex_date,amount,currency,announced\nNASDAQ@MSFT,2021-05-19,0.56,USD,2021-03-16\nSBIN,2021-06-04,4,,\n"
        "NSE@A,2021-06-04,-1,,\nNSE@A,2021-06-04,1e13,,\nNSE@A,2021-06-04,1,,2021-06-05\nNSE@A,soon,1,,\n"
    )
    found = read_dividends(text, dates=Dates.ISO, unit=Unit.DECIMAL)
    assert [row[1:] for row in found.dividends] == [
        ("NASDAQ@MSFT", date(2021, 5, 19), 0.56, "USD", date(2021, 3, 16)),
        ("SBIN", date(2021, 6, 4), 4.0, "", None),
    ]
    assert [(each.row, each.reason) for each in found.rejected] == [
        (4, "amount is not from 0 to 1e+12"),
        (5, "amount is not from 0 to 1e+12"),
        (6, "announced after the ex-date"),
        (7, "ex_date is not a date"),
    ]
    assert (found.rows_read, found.yields) == (6, [])


def test_yields() -> None:
    text = "symbol,date,yield\nNIFTY,11/06/2026,1.25\nNIFTY,12/06/2026,125\n"
    found = read_dividends(text, dates=Dates.DMY, unit=Unit.PERCENT)
    assert [row[1:] for row in found.yields] == [("NIFTY", DAY, 0.0125)]
    assert [each.reason for each in found.rejected] == ["dividend_yield is not from -0.5 to 1 a year"]


def test_a_file_that_is_no_table_of_dividends_is_refused() -> None:
    with pytest.raises(NotATable, match="the columns are neither underlying, ex_date, amount nor"):
        read_dividends("underlying,when\nNSE@A,2021-06-04\n", dates=Dates.ISO, unit=Unit.DECIMAL)
