"""What may be asked of the live snapshot."""

from rest_framework import serializers

from realtime.core.chain_request import DEFAULT_STRIKES
from signalsite.foundation.serializers import StrictSerializer

MAX_KEYS = 500


class GreeksQuerySerializer(serializers.Serializer):
    keys = serializers.CharField(help_text=f"Instrument keys with commas between them, up to {MAX_KEYS}.")


class GreeksBodySerializer(StrictSerializer):
    instrument_keys = serializers.ListField(
        child=serializers.CharField(max_length=120), min_length=1, max_length=MAX_KEYS
    )


class ChainQuerySerializer(serializers.Serializer):
    expiry = serializers.DateField(required=False, help_text="Default: the nearest that is live.")
    strikes = serializers.CharField(
        default=str(DEFAULT_STRIKES), help_text="So many on each side of the money, all, or LOWEST:HIGHEST."
    )
