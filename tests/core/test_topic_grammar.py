"""Topics are parsed as they are built, and docs and the AsyncAPI document cover every type."""

import uuid
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moneyness.core.levels import level_name
from realtime.core.topic_grammar import (
    PATTERNS,
    UnknownTopic,
    analytics_topic,
    atm_topic,
    bars_topic,
    chain_topic,
    complete_topic,
    expiry_of,
    is_evaluated,
    is_instrument,
    job_topic,
    level_topic,
    read_atm,
    read_bars,
    read_chain,
    read_instrument,
    read_job,
    read_level_topic,
    read_term,
    smile_topic,
    term_topic,
    type_of,
)

DOCS = Path(__file__).parents[2] / "docs" / "websocket.md"
underlyings = st.from_regex(r"[A-Z][A-Z0-9]{0,5}@[A-Z0-9][A-Z0-9&._/-]{0,8}", fullmatch=True)
expiries = st.dates(date(1970, 1, 1), date(2199, 12, 31))
levels = st.integers(-10, 10).map(level_name) | st.sampled_from(["OTM", "OTM25D", "OTM_PCT_2_5", "ITM_LOG_0_0.02"])


@given(underlyings, expiries, levels, st.booleans())
def test_what_is_built_is_read(underlying, expiry, level, of_text):
    said = expiry.isoformat() if of_text else expiry
    chain, dated, nearest = (
        chain_topic(underlying, said),
        level_topic(underlying, level, said),
        level_topic(underlying, level),
    )
    assert read_chain(chain) == (underlying, "")
    assert read_level_topic(dated) == read_level_topic(nearest) == (underlying, level)
    assert read_atm(atm_topic(underlying, said)) == read_atm(atm_topic(underlying)) == (underlying, "")
    assert read_term(term_topic(underlying)) == (underlying, "")
    for kind, build in (("analytics", analytics_topic), ("smile", smile_topic)):
        assert read_chain(build(underlying, said)) == (underlying, "") and type_of(build(underlying, said)) == kind
    assert (type_of(chain), type_of(dated), type_of(nearest)) == ("chain", "moneyness", "moneyness")
    assert not any(map(is_instrument, (chain, dated, nearest)))


def test_bars_name_an_instrument_and_a_timeframe_that_is_live():
    topic = bars_topic("NSE@NIFTY@equity_options@2026-12-29@call@23500", "1m")
    assert read_bars(topic) == ("NSE@NIFTY", "")
    assert type_of(topic) == "bars" and not is_instrument(topic)
    assert complete_topic("bars:NIFTY@equity_spot:1m", "NSE") == "bars:NSE@NIFTY@equity_spot:1m"
    assert read_bars("bars:BTC/USDT:1m") == ("BTC/USDT", "")
    for wrong in ("bars:NSE@NIFTY@equity_spot", "bars:NSE@NIFTY@equity_spot:1m:1m", "bars::1m", "bars:nse:1m"):
        with pytest.raises(UnknownTopic):
            read_bars(wrong)
    with pytest.raises(UnknownTopic, match="'7m' is no timeframe of live bars: 1m"):
        read_bars("bars:NSE@NIFTY@equity_spot:7m")


@given(underlyings, expiries)
def test_a_wildcard_stands_for_the_options_of_its_expiry_alone(underlying, expiry):
    named, prefix = read_instrument(f"{underlying}@equity_options@{expiry}@*")
    assert named == underlying
    for day, taken in ((expiry, True), (expiry - timedelta(1), False)):
        key = f"{underlying}@equity_options@{day}@put@7.5"
        assert key.startswith(prefix) == taken
        assert is_instrument(key) and type_of(key) == ""


@given(st.uuids())
def test_a_job_is_its_id(job_id):
    assert read_job(job_topic(job_id)) == job_id
    for other in (str(job_id).upper(), job_id.hex):
        if other != str(job_id):
            with pytest.raises(UnknownTopic):
                read_job(f"job:{other}")


@given(st.text(max_size=60))
def test_whatever_is_asked_for_is_a_topic_or_told_what_would_be_one(text):
    for read in (read_instrument, read_chain, read_job, read_level_topic, read_atm, read_term):
        for topic in (text, *(f"{kind}:{text}" for kind in PATTERNS if kind)):
            try:
                read(topic)
            except UnknownTopic as error:
                assert str(error)


@pytest.mark.parametrize(
    ("topic", "whole"),
    [
        ("chain:NIFTY:2026-12-29", "chain:NSE@NIFTY:2026-12-29"),
        ("moneyness:NIFTY:ATM", "moneyness:NSE@NIFTY:ATM"),
        ("moneyness:NIFTY:2026-12-29:OTM2", "moneyness:NSE@NIFTY:2026-12-29:OTM2"),
        ("atm:NIFTY", "atm:NSE@NIFTY"),
        ("analytics:NIFTY:2026-12-29", "analytics:NSE@NIFTY:2026-12-29"),
        ("smile:NIFTY:2026-12-29", "smile:NSE@NIFTY:2026-12-29"),
        ("term:NIFTY", "term:NSE@NIFTY"),
        ("NIFTY@equity_spot", "NSE@NIFTY@equity_spot"),
        ("NIFTY@equity_options@2026-12-29@*", "NSE@NIFTY@equity_options@2026-12-29@*"),
        ("chain:BTC/USDT:2026-12-29", "chain:BTC/USDT:2026-12-29"),
        ("job:NIFTY", "job:NIFTY"),
        ("chain:", "chain:"),
        ("chain:nifty:2026-12-29", "chain:nifty:2026-12-29"),
        ("other:NIFTY", "other:NIFTY"),
    ],
)
def test_a_topic_with_a_bare_symbol_has_one_whole_name(topic, whole):
    assert complete_topic(topic, "NSE") == complete_topic(whole, "BSE") == whole


@given(st.text(max_size=60))
def test_completing_a_topic_again_changes_nothing(text):
    for topic in (text, *(f"{kind}:{text}" for kind in PATTERNS if kind)):
        whole = complete_topic(topic, "NSE")
        assert complete_topic(whole, "BSE") == whole


def test_the_docs_name_every_kind():
    table = DOCS.read_text()
    for kind, pattern in PATTERNS.items():
        assert not kind or pattern.startswith(f"{kind}:")
        assert f"| `{kind}:" in table or not kind
    assert "`NSE@NIFTY@equity_options@2026-12-29@*`" in table


def test_a_level_is_of_a_pattern():
    built = level_topic("NSE@NIFTY", "OTM2", date(2026, 12, 29))
    assert built == PATTERNS["moneyness"].format(underlying="NSE@NIFTY", expiry="2026-12-29", level="OTM2")
    assert chain_topic("NSE@NIFTY", "2026-12-29") == PATTERNS["chain"].format(
        underlying="NSE@NIFTY", expiry="2026-12-29"
    )
    assert job_topic(uuid.UUID(int=7)) == PATTERNS["job"].format(id=uuid.UUID(int=7))


@given(underlyings, expiries, levels)
def test_the_topics_of_evaluations_are_told_apart_and_name_their_expiry(underlying, expiry, level):
    dated = [level_topic(underlying, level, expiry), *(f(underlying, expiry) for f in (atm_topic, analytics_topic))]
    dated.append(smile_topic(underlying, expiry))
    undated = [level_topic(underlying, level), atm_topic(underlying), term_topic(underlying)]
    assert all(is_evaluated(topic) for topic in dated + undated)
    assert {expiry_of(topic) for topic in dated} == {expiry} and {expiry_of(topic) for topic in undated} == {None}
    others = [
        chain_topic(underlying, expiry),
        bars_topic(f"{underlying}@equity_spot", "1m"),
        f"{underlying}@equity_spot",
    ]
    assert not any(is_evaluated(topic) for topic in others)
    assert expiry_of(f"smile:{underlying}:x") is None
