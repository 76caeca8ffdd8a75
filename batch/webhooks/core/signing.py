"""Sign and verify webhooks by Standard Webhooks 1.0 (symmetric, `v1`): standardwebhooks.com.

This module needs only the standard library and raises ValueErrors, so that receivers can use `verify` on its own.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

SECRET_PREFIX = "whsec_"
SHORTEST_KEY, LONGEST_KEY = 24, 64  # bytes
TOLERANCE_SECONDS = 300


class InvalidSecret(ValueError):
    """The secret is not `whsec_` and the base64 of 24 to 64 bytes."""


class InvalidSignature(ValueError):
    """The message is unsigned, wrongly signed or too old."""


def read_secret(secret: str) -> bytes:
    """Return the key inside `whsec_<base64>`. Raises InvalidSecret, whose message never repeats the secret."""
    encoded = secret.removeprefix(SECRET_PREFIX)
    if encoded == secret:
        raise InvalidSecret(f"a secret must begin with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSecret(f"what follows {SECRET_PREFIX} is not base64") from error
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise InvalidSecret(f"the secret's key has {len(key)} bytes; {SHORTEST_KEY} to {LONGEST_KEY} are allowed")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. Raises InvalidSecret."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(read_secret(secret), signed, hashlib.sha256)).decode()


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id, timestamp, body),
    }


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float, tolerance: float = TOLERANCE_SECONDS
) -> str:
    """Verify a received message, and return its webhook-id, which is the same in every attempt.

    `headers`: names in any case. `body`: the bytes as received, before any parsing. `now`: Unix seconds.
    One valid signature among several is enough: senders sign twice while they change a secret. Raises
    InvalidSignature or InvalidSecret.
    """
    found = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent, signatures = (found[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise InvalidSignature(f"header {error.args[0]} is missing") from error
    if not (sent.isascii() and sent.isdigit()):
        raise InvalidSignature("webhook-timestamp is no number of seconds")
    if abs(now - int(sent)) > tolerance:
        raise InvalidSignature(f"webhook-timestamp is over {tolerance:g} s away from now")
    expected = sign(secret, message_id, int(sent), body).encode()
    if not any(hmac.compare_digest(expected, each.encode()) for each in signatures.split()):
        raise InvalidSignature("no signature fits")
    return message_id
