"""Answer live reads (`realtime.snapshot.reads`) on the event loop: no thread, no query, one shared read of Redis. And
pages of bars (`timeframes.bars.on_loop`): from memory after one shared check, or from a thread that makes them.

Django answers every request that is not plain, with the same reads: other methods, bodies, sessions, tokens that were
not verified, unusual characters and headers, large answers. Django also gives the first answer of each kind, and later
answers of that kind reuse the headers that its middleware and DRF added.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from signalsite.foundation.conditional import CACHE_CONTROL, link
from signalsite.foundation.errors import ConfigurationError
from signalsite.foundation.problem_json import CONTENT_TYPE
from signalsite.foundation.problems import problem_of
from signalsite.front import metrics
from signalsite.front.counting import Counted
from signalsite.front.credentials import SCHEMES
from signalsite.front.pages import Answer, Scope
from signalsite.front.refusals import Headers
from signalsite.front.standing import StandingTokens
from signalsite.usage import counts as usage
from timeframes.bars.on_loop import BarsOnLoop, Run
from timeframes.bars.pages import BarsPage

Read = Callable[..., Reading[bytes]]  # the captured parts of the path, then the query's parameters
Kind = tuple[str | bytes | None, ...]

MOST_KINDS = 256  # whose headers are cached
LONGEST_KIND = 512  # bytes of the headers that distinguish kinds
_CAPTURED = re.compile(r"[A-Za-z0-9@&._/:-]+")  # characters that Django reads unambiguously
_OWN = {
    b"content-type",
    b"content-length",
    b"cache-control",
    b"etag",
    b"link",
}  # headers of one answer, not of its kind
_OF_AN_ERROR = ("Retry-After",)  # headers of an error
_BODY = (b"content-length", b"transfer-encoding")
_CONVERTERS = {"path": "(.+)", "str": "([^/]+)"}
_CONDITIONS = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since")  # Django weighs them
_UNCLEAR = re.compile(r"//|/\.\.?(/|$)|/export$")  # in the address of a page: not kept as it is, or another view's
_NO_QUERY = QueryDict()  # making one takes a twentieth of an answer's time
_GOOD: Headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_OF_PAGES: Headers = [(b"content-type", b"application/json"), (b"cache-control", CACHE_CONTROL.encode())]


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    read: Any  # a Read, or what answers with pages
    pattern: str  # as Django's resolver has it
    tail: re.Pattern[str] | None = None  # after the prefix, where more than one part is captured or text follows

    @property
    def pages(self) -> bool:
        return isinstance(self.read, BarsOnLoop)


class Asked(NamedTuple):
    """A plain request for a live read."""

    route: Route
    captured: tuple[str, ...]
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
    def __init__(self, newest: Callable[[], NewestStates], tokens: StandingTokens, run: Run) -> None:
        self._newest, self._tokens, self._run = newest, tokens, run
        self._learned: OrderedDict[Kind, Learned] = OrderedDict()
        self._exact, self._prefixes = routes()
        # The headers that Django's middleware and DRF look at: the host, TLS and what is acceptable.
        proxys, secure = settings.SECURE_PROXY_SSL_HEADER or ("", "")
        self._tls_header, self._secure = (
            proxys.removeprefix("HTTP_").replace("_", "-").lower().encode(),
            secure.encode(),
        )
        self._of_kind = (b"host", b"accept", self._tls_header)
        names = (b"authorization", b"cookie", b"x-requested-with")
        self._read = frozenset((*self._of_kind, *_BODY, *_CONDITIONS, *names))
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
        if found[0].pages and (b"host" not in headers or any(name in headers for name in _CONDITIONS)):
            return None
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme not in SCHEMES or self._session in headers.get(b"cookie", b""):
            return None
        values = [headers.get(name) for name in self._of_kind]
        if sum(len(value) for value in values if value) > LONGEST_KIND:
            return None
        kind = (found[0].name, scope["method"], scope["scheme"], *values)
        return Asked(*found, scope, headers, token, kind, time.perf_counter())

    def _match(self, path: str) -> tuple[Route, tuple[str, ...]] | None:
        for prefix, route in self._prefixes:
            if path.startswith(prefix):
                rest = path[len(prefix) :]
                parts: tuple[str, ...] = (rest,)
                if route.tail is not None:
                    if (found := route.tail.fullmatch(rest)) is None:
                        continue
                    parts = found.groups()
                plain = _CAPTURED.fullmatch(rest) and not (route.pages and _UNCLEAR.search(path))
                return (route, parts) if plain else None
        exact = self._exact.get(path)
        return (exact, ("",)) if exact else None

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
            parameters = QueryDict(query) if query else _NO_QUERY
            seconds = ANSWER_SECONDS - (time.perf_counter() - asked.began)
            if asked.route.pages:
                page = await asked.route.read(*asked.captured, parameters.dict(), self._run)
                if page is None:
                    return None
                status, body, own = 200, page.body, self._of_page(asked, parameters, page)
            else:
                body = await self._newest().run(asked.route.read(*asked.captured, parameters.dict()), seconds)
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
        seconds = time.perf_counter() - asked.began
        learned.counted.add(status, len(body), seconds, ajax=ajax)
        usage.count(self._tokens.user_of(asked.token), asked.route.pattern, asked.scope["method"], status, seconds)
        return Answer(status, [*own, *learned.headers, (b"content-length", b"%d" % len(body))], body)

    def _of_page(self, asked: Asked, parameters: QueryDict, page: BarsPage) -> Headers:
        headers = [*_OF_PAGES, (b"etag", page.etag.encode())]
        if page.following is not None:
            host = asked.headers[b"host"].decode()  # Django has accepted it: it is part of the kind
            address = f"{self._transport(asked)}://{host}{asked.scope['path']}"
            headers.append((b"link", link(address, parameters, page.following).encode()))
        return headers

    def learn(self, asked: Asked, answer: Answer) -> None:
        """Remember the headers of Django's answer. Other statuses may skip some of the middleware or the view.

        A live answer has no ETag: one that has is of the past, and its headers are its own.
        """
        whole, of_one = ((200,), (b"set-cookie",)) if asked.route.pages else ((200, 404), (b"set-cookie", b"etag"))
        if answer.status not in whole or any(name in of_one for name, _ in answer.headers):
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
        prefix, key, rest = address.partition("<")
        tail = _tail(key + rest) if rest.partition(">")[2] else None
        route = Route(pattern.name or "", read, address.removeprefix("/"), tail)
        if key:
            prefixes.append((prefix, route))
        else:
            exact[address] = route
    return exact, prefixes


def _tail(address: str) -> re.Pattern[str]:
    """Return the pattern of the end of an address, as Django's converters `path` and `str` have it."""
    pieces = re.split(r"<(path|str):[a-z_]+>", address)
    return re.compile("".join(_CONVERTERS.get(piece, re.escape(piece)) for piece in pieces))


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
