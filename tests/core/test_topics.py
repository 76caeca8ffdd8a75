"""Topics and channels: where each is found, and the errors for anything else."""

import pytest

from realtime.core.topic_grammar import UnknownTopic
from realtime.sockets import topics
from realtime.sockets.topics import UnknownChannel, topic_of, type_of

topics.register_own()


@pytest.mark.parametrize(
    "topic",
    [
        "NSE@NIFTY@equity_spot",
        "NSE@NIFTY@equity_options@2026-12-29@call@23500",
        "chain:NSE@NIFTY:2026-12-29",
    ],
)
def test_a_topic_is_found_in_its_underlyings_stream(topic):
    feed = type_of(topic).locate(topic)
    assert feed.stream == "signal_output_stream:NSE@NIFTY"
    assert feed.hashes == ("latest:NSE@NIFTY", "latest_seq:NSE@NIFTY")
    assert not feed.wildcard


@pytest.mark.parametrize(
    "topic",
    [
        "moneyness:NSE@NIFTY:2026-12-29:ATM",
        "moneyness:NSE@NIFTY:ITM10",
        "moneyness:NSE@NIFTY:OTM1",
        "moneyness:NSE@NIFTY:OTM_PCT_2_5",
        "moneyness:NSE@NIFTY:2026-12-29:OTM25D",
        "atm:NSE@NIFTY",
        "atm:NSE@NIFTY:2026-12-29",
        "analytics:NSE@NIFTY:2026-12-29",
        "smile:NSE@NIFTY:2026-12-29",
        "term:NSE@NIFTY",
    ],
)
def test_what_evaluations_say_has_a_stream_of_its_own(topic):
    feed = type_of(topic).locate(topic)
    assert feed.stream == "chains_output_stream:NSE@NIFTY"
    assert feed.hashes == ("latest_chains:NSE@NIFTY", "latest_chains_seq:NSE@NIFTY")
    assert not feed.wildcard


@pytest.mark.parametrize(
    ("topic", "part"),
    [
        ("nonsense", "a key is"),
        ("chain:NSE@NIFTY", "chain:EXCHANGE@SYMBOL:YYYY-MM-DD"),
        ("chain:NSE@NIFTY:soon", "YYYY-MM-DD"),
        ("chain:NSE@NIFTY@equity_spot:2026-12-29", "such as NSE@NIFTY"),
        ("moneyness:", "moneyness:EXCHANGE@SYMBOL:YYYY-MM-DD:LEVEL"),
        ("moneyness:NSE@NIFTY:2026-12-29:ATM:1", "moneyness:EXCHANGE@SYMBOL:YYYY-MM-DD:LEVEL"),
        ("moneyness:NSE@NIFTY:", "ATM, ITM, OTM, ITM1 to"),
        ("moneyness:NSE@NIFTY:atm", "a band such as OTM_PCT_2_5"),
        ("moneyness:NSE@NIFTY:2026-12-29:OTM1001", "OTM1 to OTM1000"),
        ("moneyness:NSE@NIFTY:OTM_PCT_5_2", "a band such as"),
        ("atm:", "not a chain"),
        ("atm:NSE@NIFTY:2026-12-29:ATM", "atm:EXCHANGE@SYMBOL:YYYY-MM-DD"),
        ("analytics:NSE@NIFTY", "analytics:EXCHANGE@SYMBOL:YYYY-MM-DD"),
        ("smile:NSE@NIFTY:soon", "YYYY-MM-DD"),
        ("term:NSE@NIFTY:2026-12-29", "term:EXCHANGE@SYMBOL"),
        ("term:NSE@NIFTY@equity_spot", "such as NSE@NIFTY"),
        ("moneyness:NSE@NIFTY:soon:ATM", "YYYY-MM-DD"),
        ("moneyness:BTC/USDT:ATM", "such as NSE@NIFTY"),
        ("moneyness:nse@nifty:ATM", "capital letters"),
    ],
)
def test_what_is_no_topic_is_told_what_would_be_one(topic, part):
    with pytest.raises(UnknownTopic) as caught:
        type_of(topic).locate(topic)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("channel", "params", "topic"),
    [
        ("moneyness", {"underlying": "NIFTY", "moneyness_level": "ATM"}, "moneyness:NSE@NIFTY:ATM"),
        ("moneyness", {"underlying": "SIM@NIFTY", "moneyness_level": "otm2"}, "moneyness:SIM@NIFTY:OTM2"),
        (
            "moneyness",
            {"underlying": "NIFTY", "moneyness_level": "itm1", "expiry": "2026-12-29"},
            "moneyness:NSE@NIFTY:2026-12-29:ITM1",
        ),
        ("moneyness", {"underlying": "NIFTY", "moneyness_level": "otm_pct_2_5"}, "moneyness:NSE@NIFTY:OTM_PCT_2_5"),
        ("chain", {"underlying": "NIFTY", "expiry": "2026-12-29"}, "chain:NSE@NIFTY:2026-12-29"),
        ("atm", {"underlying": "NIFTY"}, "atm:NSE@NIFTY"),
        ("atm", {"underlying": "NIFTY", "expiry": "2026-12-29"}, "atm:NSE@NIFTY:2026-12-29"),
        ("analytics", {"underlying": "NIFTY", "expiry": "2026-12-29"}, "analytics:NSE@NIFTY:2026-12-29"),
        ("smile", {"underlying": "NIFTY", "expiry": "2026-12-29"}, "smile:NSE@NIFTY:2026-12-29"),
        ("term", {"underlying": "NIFTY"}, "term:NSE@NIFTY"),
        ("greeks", {}, "moneyness_greeks"),
    ],
)
def test_a_channel_names_a_topic(channel, params, topic):
    assert topic_of(channel, "moneyness_greeks", params) == topic


def test_an_unknown_channel_is_told_which_there_are():
    with pytest.raises(
        UnknownChannel,
        match=r"none of analytics, atm, bars, chain, greeks, indicators, (job, )?moneyness, results, smile, term, t",
    ):
        topic_of("nonsense", "", {})
