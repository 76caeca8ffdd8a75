"""The address of a client. uvicorn has already applied the X-Forwarded-For of trusted proxies (FORWARDED_ALLOW_IPS)."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest

IPV6_PREFIX = 64
"""The part of an IPv6 address that one customer shares: they control all addresses below it."""


def client_address(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """Return the address; None for a unix socket, and when a proxy sent something else."""
    return read_address(request.META.get("REMOTE_ADDR", ""))


def client_network(request: HttpRequest) -> str:
    """Return the network that limits count by. All clients without an address share one count."""
    address = client_address(request)
    return network_of(address) if address else "unknown"


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address; None when the text is not one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def network_of(address: IPv4Address | IPv6Address) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 address."""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), IPV6_PREFIX), strict=False))
    return str(address)
