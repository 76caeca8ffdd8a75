"""Requests to the live snapshot."""

from rest_framework import serializers

from realtime.snapshot.core.chain_request import DEFAULT_STRIKES, STRIKES
from signalsite.foundation.fields import Day, Several, Text
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import MAX_KEY_LENGTH

MAX_KEYS = 500
LONGEST_QUERY = 20_000  # characters; servers and proxies limit addresses too


class GreeksQuerySerializer(StrictSerializer):
    keys = serializers.RegexField(
        r"^[A-Za-z0-9@&._/,-]+$",
        max_length=LONGEST_QUERY,
        help_text=f"Up to {MAX_KEYS} instrument keys, separated by commas. Use POST for longer lists.",
    )


class GreeksBodySerializer(StrictSerializer):
    """Instrument keys. The response has one object for each, in order."""

    instrument_keys = Several(child=Text(max_length=MAX_KEY_LENGTH), min_length=1, max_length=MAX_KEYS)


class ChainQuerySerializer(StrictSerializer):
    expiry = Day(required=False, help_text="Default: the nearest live expiry.")
    as_of = Text(
        required=False,
        max_length=40,
        help_text="A past instant: the chain as it stood then, from what is stored. ISO 8601, in the exchange's zone "
        "where it has no offset; a date means the close of that session. Default: the live chain.",
    )
    strikes = serializers.RegexField(
        STRIKES,
        default=str(DEFAULT_STRIKES),
        max_length=40,
        help_text="The number of strikes on each side of the money, `all`, or LOWEST:HIGHEST.",
    )
