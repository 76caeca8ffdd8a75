"""What every settings module needs to read the environment."""

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError, validate

from signalsite.embedded import state

env = Env()
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


def origin(variable: str) -> Callable[[str], str]:
    """Return a parser of browser origins, such as https://desk.example:8443, whose errors name `variable`."""

    def read(text: str) -> str:
        text = text.strip()
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
            raise EnvError(
                f"{variable}: {text!r} is not an origin such as https://desk.example or http://localhost:3000"
            )
        return text

    return read


def network(variable: str) -> Callable[[str], IPv4Network | IPv6Network]:
    """Return a parser of networks whose errors name `variable`."""

    def read(text: str) -> IPv4Network | IPv6Network:
        try:
            return ip_network(text.strip())
        except ValueError as error:
            raise EnvError(f"{variable}: {error}") from error

    return read
