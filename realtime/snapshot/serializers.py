"""What may be asked of the live snapshot."""

from rest_framework import serializers

from realtime.snapshot.core.chain_request import DEFAULT_STRIKES, STRIKES
from signalsite.foundation.fields import Day, Several, Text
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.keys import MAX_KEY_LENGTH

MAX_KEYS = 500
LONGEST_QUERY = 20_000  # characters: an address has its limits in servers and proxies too


class GreeksQuerySerializer(StrictSerializer):
    keys = serializers.RegexField(
        r"^[A-Za-z0-9@&._/,-]+$",
        max_length=LONGEST_QUERY,
        help_text=f"Instrument keys with commas between them, up to {MAX_KEYS}; for longer lists there is POST.",
    )


class GreeksBodySerializer(StrictSerializer):
    """Instrument keys, each of which is answered in its place."""

    instrument_keys = Several(child=Text(max_length=MAX_KEY_LENGTH), min_length=1, max_length=MAX_KEYS)


class ChainQuerySerializer(StrictSerializer):
    expiry = Day(required=False, help_text="Default: the nearest that is live.")
    strikes = serializers.RegexField(
        STRIKES,
        default=str(DEFAULT_STRIKES),
        max_length=40,
        help_text="So many on each side of the money, all, or LOWEST:HIGHEST.",
    )
