"""What the tests of configurations with ticks share: a configuration of an instrument that always trades."""

from datetime import UTC, datetime, timedelta

import orjson

CRYPTO = "BINANCE@BTCUSDT@crypto_spot"  # trades around the clock: its ticks are always in a bar
RECORDED = {"CONFIG_RECORD_SECONDS": "1", "CONFIG_TICK_SECONDS": "5"}
DOCUMENT = {
    "name": "crypto",
    "instruments": [CRYPTO],
    "interval": "1m",
    "indicators": ["rsi(length=3)", "macd", "bbands(length=5)"],
    "functions": [{"function": "realised_volatility", "params": {"length": 5}, "label": "volatility"}],
    "bars": 20,
}


def history(live, bars=400):
    """Store minutes of the last hours, and return their closes."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    closes = [100 + (place * 7 % 11) / 10 for place in range(bars)]
    rows = ", ".join(
        f"('{CRYPTO}', '1m', '{(now - timedelta(minutes=bars - place)).isoformat()}', {close}, {close + 1},"
        f" {close - 1}, {close}, 5, 'test')"
        for place, close in enumerate(closes)
    )
    live.execute(
        "INSERT INTO historical_data (instrument_key, interval, time, open, high, low, close, volume, source)"
        f" VALUES {rows}"
    )
    return closes


def newest(live, configuration, key, namespace=""):
    underlying = "@".join(key.split("@")[:2])
    found = live.redis.hget(f"{namespace}latest:{underlying}", f"results:{configuration}:{key}")
    return None if found is None else orjson.loads(found)
