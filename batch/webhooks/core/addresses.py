"""Decide where a webhook may go: which URLs, and which network addresses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from signalsite.foundation.errors import SignalServiceError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}
FIRST_UNPRIVILEGED_PORT = 1024

# `is_global` accepts these: relays and anycast of protocol assignments, and Azure's internal services.
_NOT_PUBLIC_V4 = [ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")]
# In IPv6 only global unicast is public (RFC 4291 2.4). That excludes mapped and compatible IPv4, and NAT64. Inside it,
# these networks stand for IPv4 addresses (Teredo, 6to4), are examples, or belonged to the 6bone.
_GLOBAL_UNICAST = ip_network("2000::/3")
_NOT_PUBLIC_V6 = [ip_network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")]

_URL_CHARACTERS = re.compile(r"[!-\[\]-~]+")  # visible ASCII except the backslash: parsers disagree about it
_HOST_NAME = re.compile(r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PORT = re.compile(r"(:[0-9]{0,5})?")  # urlsplit ignores other text after an address in brackets
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class ForbiddenAddress(SignalServiceError, ValueError):
    """Webhooks may not go to this URL or address."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`allowed`: networks that webhooks may go to although they are not public."""

    allow_http: bool = False
    allowed: Sequence[Network] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, parsed once, so that the checked parts are the parts in use. `target`: path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Return the Host header: brackets around IPv6, no port if it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def is_public(address: Address) -> bool:
    """Return whether the address is public: not private, shared, local, multicast, reserved, or IPv4 in disguise."""
    if isinstance(address, IPv6Address):
        inside = address in _GLOBAL_UNICAST and not any(address in network for network in _NOT_PUBLIC_V6)
        return inside and address.scope_id is None and address.is_global
    usual = address.is_global and not (address.is_multicast or address.is_reserved)
    return usual and not any(address in network for network in _NOT_PUBLIC_V4)


def check_address(text: str, policy: Policy) -> None:
    """Raise ForbiddenAddress if the text is no address, or one that is neither public nor allowed."""
    try:
        address = ip_address(text)
    except ValueError as error:
        raise ForbiddenAddress(f"{text[:60]!r} is not an IP address") from error
    if not (is_public(address) or any(address in network for network in policy.allowed)):
        raise ForbiddenAddress(f"{text} is not a public address")


def read_url(url: str, policy: Policy) -> Target:
    """Parse a webhook's URL, and check everything that needs no DNS. Raises ForbiddenAddress."""
    if len(url) > LONGEST_URL:
        raise ForbiddenAddress(f"a URL may have at most {LONGEST_URL} characters")
    if not _URL_CHARACTERS.fullmatch(url):
        raise ForbiddenAddress("a URL must be visible ASCII: percent-encode the rest, write the host in punycode")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenAddress(f"not a URL: {error}") from error
    schemes = ("https", "http") if policy.allow_http else ("https",)
    if parts.scheme not in schemes:
        raise ForbiddenAddress(f"the scheme must be {' or '.join(schemes)}")
    if "@" in parts.netloc:
        raise ForbiddenAddress("a URL must not have credentials")
    if parts.fragment:
        raise ForbiddenAddress("a URL must not have a fragment")
    port = DEFAULT_PORTS[parts.scheme] if port is None else port
    if port not in DEFAULT_PORTS.values() and port < FIRST_UNPRIVILEGED_PORT:
        raise ForbiddenAddress(f"the port must be 80, 443 or from {FIRST_UNPRIVILEGED_PORT} up")
    host = parts.hostname or ""
    bracketed = parts.netloc.startswith("[")
    if not _PORT.fullmatch(parts.netloc.lower().removeprefix(f"[{host}]" if bracketed else host)):
        raise ForbiddenAddress("only a port may follow the host")
    _check_host(host, bracketed=bracketed, policy=policy)
    return Target(parts.scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _check_host(host: str, *, bracketed: bool, policy: Policy) -> None:
    if bracketed or _is_dotted_quad(host):
        check_address(host, policy)
        return
    if not _HOST_NAME.fullmatch(host):
        raise ForbiddenAddress("the host is no name and no address")
    if _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):  # the system reads 127.1, 0x7f000001 and 2130706433 as 127.0.0.1
        raise ForbiddenAddress("an IPv4 address must be four decimal numbers")
    if (host == "localhost" or host.endswith(".localhost")) and not _any_allowed(("127.0.0.1", "::1"), policy):
        raise ForbiddenAddress(f"{host} is not a public address")


def _is_dotted_quad(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def _any_allowed(addresses: Sequence[str], policy: Policy) -> bool:
    return any(ip_address(address) in network for address in addresses for network in policy.allowed)
