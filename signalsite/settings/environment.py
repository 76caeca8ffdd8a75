"""What every settings module needs to read the environment."""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError, validate

from signalsite.embedded import state
from timeframes.core.timeframe import InvalidTimeframe, format_timeframe, parse_timeframe

env = Env()
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
BASE_DIR = Path(__file__).resolve().parents[2]
STATE_DIR = state.state_dir()
ENVIRONMENT = env.str("SIGNALSITE_ENV", "development", validate=validate.OneOf(["development", "production"]))
DEVELOPMENT = ENVIRONMENT == "development"


def at_least(lowest: float) -> validate.Range:
    return validate.Range(min=lowest)


def between(lowest: float, highest: float) -> validate.Range:
    return validate.Range(min=lowest, max=highest)


def one_of(*choices: str) -> validate.OneOf:
    return validate.OneOf(choices)


def one_of_numbers(choices: Sequence[int]) -> validate.OneOf:
    return validate.OneOf(choices)


def origin(variable: str) -> Callable[[str], str]:
    """Return a parser of browser origins, such as https://desk.example:8443, whose errors name `variable`."""

    def read(text: str) -> str:
        text = text.strip()
        try:
            sent = _as_browsers_send_it(text)
        except ValueError as error:
            raise EnvError(
                f"{variable}: {text!r} is not an origin such as https://desk.example or http://localhost:3000"
            ) from error
        if text != sent:
            raise EnvError(f"{variable}: browsers never send {text!r} as their origin; write {sent}")
        return text

    return read


def _as_browsers_send_it(text: str) -> str:
    """Return the origin of an http or https URL. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"{parts.scheme!r} is not http or https")
    host = (parts.hostname or "").encode("idna").decode()
    if parts.netloc.rpartition("@")[2].startswith("["):
        host = f"[{IPv6Address(host)}]"
    elif not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is not a host")
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def service_address(variable: str, text: str) -> str:
    """Return the address of an HTTP service, without a slash at its end; or the empty text. Errors name `variable`."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and parts.port != 0
    except ValueError:
        good = False
    if text and not good:
        raise EnvError(f"{variable}: {text!r} is no address such as https://manager.example/api")
    return text.rstrip("/")


def days_by_timeframe(variable: str, given: Mapping[str, str], most: int) -> dict[str, int]:
    """Return days by timeframes of fixed length, each in its shortest form. Raises EnvError, which names `variable`."""
    found = {}
    for text, days in given.items():
        try:
            seconds = parse_timeframe(text)
        except InvalidTimeframe as error:
            raise EnvError(f"{variable}: {error}") from error
        if not isinstance(seconds, int):
            raise EnvError(f"{variable}: no stored bar has months, so {text} keeps nothing")
        if not re.fullmatch("[0-9]{1,9}", days) or int(days) > most:
            raise EnvError(f"{variable}: {text}={days[:20]} is no whole number of days from 0 to {most}")
        if int(days):
            found[format_timeframe(seconds)] = int(days)
    return found


def network(variable: str) -> Callable[[str], IPv4Network | IPv6Network]:
    """Return a parser of networks whose errors name `variable`."""

    def read(text: str) -> IPv4Network | IPv6Network:
        try:
            return ip_network(text.strip())
        except ValueError as error:
            raise EnvError(f"{variable}: {error}") from error

    return read
