"""Compute Greeks of an exchange's day with pandas and py_vollib, as a quant does without this service.

`python bench/day_script.py BHAVCOPY OUT` reads the exchange's file and writes a CSV. It is the peer in bench.day.

The forward of an expiry is the settlement price of its future, or else of the nearest one. An option without a forward,
or without an implied volatility, gets no numbers.
"""

import sys
import warnings

import pandas as pd

warnings.simplefilter("ignore", DeprecationWarning)  # py_vollib announces its new name, vollib

from py_vollib.black.greeks import analytical  # noqa: E402 - after the filter
from py_vollib.black.implied_volatility import implied_volatility  # noqa: E402

RATE = 0.065
GREEKS = (analytical.delta, analytical.gamma, analytical.theta, analytical.vega, analytical.rho)
NAMES = ("implied_volatility", "delta", "gamma", "theta", "vega", "rho")
NOTHING = (None,) * len(NAMES)


def main(path: str, out: str) -> None:
    rows = pd.read_csv(path, skipinitialspace=True)
    rows.columns = rows.columns.str.strip()
    days = ["EXPIRY_DT", "TIMESTAMP"]
    rows[days] = rows[days].apply(pd.to_datetime, format="%d-%b-%Y")
    is_future = rows["INSTRUMENT"].str.startswith("FUT")
    futures = rows[is_future].sort_values("EXPIRY_DT")
    own = futures.set_index(["SYMBOL", "EXPIRY_DT"])["SETTLE_PR"].to_dict()
    nearest = futures.groupby("SYMBOL")["SETTLE_PR"].first().to_dict()
    options = rows[~is_future].copy()
    years = ((options["EXPIRY_DT"] - options["TIMESTAMP"]).dt.days + 1e-9) / 365
    answers = []
    for symbol, expiry, kind, strike, price, t in zip(
        options["SYMBOL"],
        options["EXPIRY_DT"],
        options["OPTION_TYP"],
        options["STRIKE_PR"],
        options["SETTLE_PR"],
        years,
        strict=True,
    ):
        forward = own.get((symbol, expiry)) or nearest.get(symbol)
        answers.append(greeks(price, forward, strike, t, "c" if kind == "CE" else "p") if forward else NOTHING)
    pd.concat([options.reset_index(drop=True), pd.DataFrame(answers, columns=NAMES)], axis=1).to_csv(out, index=False)


def greeks(price: float, forward: float, strike: float, years: float, flag: str) -> tuple[float | None, ...]:
    try:
        volatility = implied_volatility(price, forward, strike, RATE, years, flag)
        return (volatility, *(each(flag, forward, strike, years, RATE, volatility) for each in GREEKS))
    except Exception:  # noqa: BLE001 - price out of bounds or no volatility: scripts ignore it
        return NOTHING


if __name__ == "__main__":
    main(*sys.argv[1:])
