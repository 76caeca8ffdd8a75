"""Answer live reads (`realtime.snapshot.reads`) on the event loop: no thread, no query, one shared read of Redis.

Django answers every request that is not plain, with the same reads: other methods, bodies, sessions, tokens that were
not verified, unusual characters and headers, large answers. Django also gives the first answer of each kind, and later
answers of that kind reuse the headers that its middleware and DRF added.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

from realtime.snapshot.newest import ANSWER_SECONDS, MOST_FIELDS, NewestStates, TooLarge
from realtime.snapshot.reads import HEADERS
from realtime.snapshot.selectors import Reading
from signalsite.foundation.bodies import loop_read
from signalsite.foundation.errors import ConfigurationError
from signalsite.foundation.problem_json import CONTENT_TYPE
from signalsite.foundation.problems import problem_of
from signalsite.front import metrics
from signalsite.front.counting import Counted
from signalsite.front.credentials import SCHEMES
from signalsite.front.pages import Answer, Scope
from signalsite.front.refusals import Headers
from signalsite.front.standing import StandingTokens

Read = Callable[[str, Mapping[str, str]], Reading[bytes]]
Kind = tuple[str | bytes | None, ...]

MOST_KINDS = 256  # whose headers are cached
LONGEST_KIND = 512  # bytes of the headers that distinguish kinds
_CAPTURED = re.compile(r"[A-Za-z0-9@&._/:-]+")  # characters that Django reads unambiguously
_OWN = {b"content-type", b"content-length", b"cache-control"}  # headers of one answer, not of its kind
_OF_ONE = (b"set-cookie", b"etag")
_OF_AN_ERROR = ("Retry-After",)  # headers of an error
_BODY = (b"content-length", b"transfer-encoding")
_GOOD: Headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    read: Read


class Asked(NamedTuple):
    """A plain request for a live read."""

    route: Route
    captured: str
    scope: Scope
    headers: Mapping[bytes, bytes]  # those that are read here
    token: bytes
    kind: Kind
    began: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What all answers of one kind share."""

    headers: Headers
    counted: Counted


class LiveReads:
    def __init__(self, newest: Callable[[], NewestStates], tokens: StandingTokens) -> None:
        self._newest, self._tokens = newest, tokens
        self._learned: OrderedDict[Kind, Learned] = OrderedDict()
        self._exact, self._prefixes = routes()
        # The headers that Django's middleware and DRF look at: the host, TLS and what is acceptable.
        proxys, secure = settings.SECURE_PROXY_SSL_HEADER or ("", "")
        self._tls_header, self._secure = (
            proxys.removeprefix("HTTP_").replace("_", "-").lower().encode(),
            secure.encode(),
        )
        self._of_kind = (b"host", b"accept", self._tls_header)
        self._read = frozenset((*self._of_kind, *_BODY, b"authorization", b"cookie", b"x-requested-with"))
        self._session = settings.SESSION_COOKIE_NAME.encode()

    def asked(self, scope: Scope) -> Asked | None:
        """Return the plain live read that the request is, or None."""
        if scope["method"] not in ("GET", "HEAD"):
            return None
        found = self._match(scope["path"])
        if found is None or _commas(scope["query_string"]) >= MOST_FIELDS:  # each comma separates a key to check
            return None
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in self._read:
                if name in headers or name in _BODY:
                    return None
                headers[name] = value
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme not in SCHEMES or self._session in headers.get(b"cookie", b""):
            return None
        values = [headers.get(name) for name in self._of_kind]
        if sum(len(value) for value in values if value) > LONGEST_KIND:
            return None
        kind = (found[0].name, scope["method"], scope["scheme"], *values)
        return Asked(*found, scope, headers, token, kind, time.perf_counter())

    def _match(self, path: str) -> tuple[Route, str] | None:
        for prefix, route in self._prefixes:
            if path.startswith(prefix):
                captured = path[len(prefix) :]
                return (route, captured) if _CAPTURED.fullmatch(captured) else None
        found = self._exact.get(path)
        return (found, "") if found else None

    async def answer(self, asked: Asked) -> Answer | None:
        """Return the answer, or None to let Django answer."""
        learned = self._learned.get(asked.kind)
        if learned is None:
            return None
        self._learned.move_to_end(asked.kind)
        try:
            if not await self._tokens.stands(asked.token):
                return None
            query = asked.scope["query_string"]
            parameters = QueryDict(query).dict() if query else {}
            seconds = ANSWER_SECONDS - (time.perf_counter() - asked.began)
            body = await self._newest().run(asked.route.read(asked.captured, parameters), seconds)
            status, own = 200, _GOOD
        except (TooLarge, SuspiciousOperation):
            return None
        except Exception as error:
            response = problem_of(error)
            if response is None:
                raise
            status, body = response.status_code, orjson.dumps(response.data)
            own = [(b"content-type", CONTENT_TYPE.encode())]
            kept = [name for name in _OF_AN_ERROR if name in response.headers]
            own += [(name.lower().encode(), response.headers[name].encode()) for name in kept]
        metrics.LIVE_READS.inc()
        ajax = asked.headers.get(b"x-requested-with") == b"XMLHttpRequest"
        learned.counted.add(status, len(body), time.perf_counter() - asked.began, ajax=ajax)
        return Answer(status, [*own, *learned.headers, (b"content-length", b"%d" % len(body))], body)

    def learn(self, asked: Asked, answer: Answer) -> None:
        """Remember the headers of Django's answer. Other statuses may skip some of the middleware or the view.

        An answer with an ETag is of the past, and its headers are its own.
        """
        if answer.status not in (200, 404) or any(name in _OF_ONE for name, _ in answer.headers):
            return
        headers = [header for header in answer.headers if header[0] not in _OWN]
        counted = Counted(asked.route.name, self._transport(asked), asked.scope["method"])
        self._learned[asked.kind] = Learned(headers, counted)
        if len(self._learned) > MOST_KINDS:
            self._learned.popitem(last=False)  # the least recently used one

    def _transport(self, asked: Asked) -> str:
        """Return http or https, as Django's `is_secure` decides."""
        forwarded = asked.headers.get(self._tls_header)
        if forwarded is None:
            return str(asked.scope["scheme"])
        return "https" if forwarded.split(b",")[0].strip() == self._secure else "http"


def _commas(query: bytes) -> int:
    return query.count(b",") + query.count(b"%2C") + query.count(b"%2c")


def routes() -> tuple[dict[str, Route], list[tuple[str, Route]]]:
    """Return routes by address, and by prefix where the address ends with a key. They come from the URLconf."""
    exact: dict[str, Route] = {}
    prefixes: list[tuple[str, Route]] = []
    for address, pattern in _patterns(get_resolver(), "/"):
        if (read := loop_read(pattern.callback)) is None:
            continue
        _refuse_other_rules(pattern.callback.cls)  # type: ignore[attr-defined]
        route = Route(pattern.name or "", read)
        prefix, key, _ = address.partition("<")
        if key:
            prefixes.append((prefix, route))
        else:
            exact[address] = route
    return exact, prefixes


def _patterns(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for each in resolver.url_patterns:
        address = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _patterns(each, address)
        else:
            yield address, each


def _refuse_other_rules(view: type[APIView]) -> None:
    """Refuse views with other rules: here every caller with a valid token is admitted, without a limit."""
    if (list(view.permission_classes), list(view.throttle_classes)) != ([IsAuthenticated], []):
        raise ConfigurationError(f"{view.__name__} has rules that the event loop does not know: leave it to Django")
