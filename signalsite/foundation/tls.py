"""The certificate authorities that this process trusts when it asks others."""

import ssl

import httpx

from signalsite.foundation.once import made_once


@made_once
def trusted_authorities() -> ssl.SSLContext:
    """Return certifi's, or those of SSL_CERT_FILE or SSL_CERT_DIR. Reading them takes 30 ms of a processor."""
    return httpx.create_ssl_context()
