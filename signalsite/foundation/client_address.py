"""Who sent a request, by address. Behind a proxy uvicorn has put in what a trusted one said (FORWARDED_ALLOW_IPS)."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest

IPV6_PREFIX = 64
"""One customer's share of IPv6: whoever has a single address has all of them."""


def client_address(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """None where the server names none (a unix socket), or a proxy named something else."""
    return read_address(request.META.get("REMOTE_ADDR", ""))


def client_network(request: HttpRequest) -> str:
    """What limits count by. All without an address share one count."""
    address = client_address(request)
    return network_of(address) if address else "unknown"


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """None where the text is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def network_of(address: IPv4Address | IPv6Address) -> str:
    """An IPv4 address by itself, or the /64 of an IPv6 one."""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), IPV6_PREFIX), strict=False))
    return str(address)
