"""uvicorn's httptools protocol with limits on headers, connections and time (`uvicorn --http`).

uvicorn 0.54 reads headers of any size for any time, queues every pipelined request, appends trailers to headers that
the application has already read, and closes connections at once, so that the kernel discards an answer while its
client is still sending. Its version is pinned, and tests/e2e/test_front*.py check each of these limits.
"""

from asyncio import TimerHandle
from typing import Any

import httptools
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from signalsite.foundation.client_address import network_of, read_address
from signalsite.front import metrics
from signalsite.front.answer_transport import AnswerTransport
from signalsite.front.cors import cors_headers
from signalsite.front.refusals import Refused, bad_request, busy, headers_too_large, too_many_of_yours, too_slow
from signalsite.front.sweep import connections_of

MAX_HEADER_BYTES = 32 << 10  # request line, headers and trailers
MAX_PIPELINED = 16
SPARE_FRAMING_BYTES = 64 << 10  # bytes of chunk framing, besides eight for each byte of the body
LINGER_SECONDS = 2.0  # for a client that is still sending to read the refusal
LINGER_BYTES = 8 << 20
STALLED_SECONDS = 60.0  # for a client to take a part of an answer; the sender may have a shorter limit


class FrontProtocol(HttpToolsProtocol):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._reading_headers = True
        self._requests = 0
        self._header_bytes = 0  # parsed
        self._unparsed_bytes = 0  # of headers that are not complete
        self._body_bytes = self._framed_bytes = 0
        self._refused = self._lingers = False
        self._lingered_bytes = 0
        self._stalled: TimerHandle | None = None
        self._end = AnswerTransport(self)
        self._connections = connections_of(self)
        superfluous = self._connections.enter(self, self.loop.time(), self._network())
        metrics.CONNECTIONS.set(len(self._connections))
        if self._connections.exceeds_share(self):
            self._turn_away(too_many_of_yours("your address has as many connections as one may have"))
        elif superfluous is self:
            self._refuse(busy("the service has as many connections as it can serve"))
        elif superfluous is not None:
            superfluous.give_way()

    def _network(self) -> str | None:
        """Return the network that the connection counts for; None for a unix socket and for a trusted proxy."""
        address = read_address(self.client[0]) if self.client else None
        if address is None or any(address in proxies for proxies in settings.FORWARDED_ALLOW_IPS):
            return None
        return network_of(address)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._leave()

    def _leave(self) -> None:
        self._connections.leave(self)
        metrics.CONNECTIONS.set(len(self._connections))
        self._end.end()
        self._wait_no_more()

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        self._leave()
        self.parser = None  # type: ignore[assignment]  # it has a reference to this protocol

    # Input

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            self._discard(len(data))
            return
        self._unset_keepalive_if_required()
        requests, reading_headers = self._requests, self._reading_headers
        try:
            self.parser.feed_data(data)
            if self._requests == requests:  # all of the data belongs to one request
                self._count(len(data), reading_headers)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._refuse(bad_request("the protocol to upgrade to is not known here"))
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refused) else bad_request(f"no HTTP request: {error}"))
        except Refused as refusal:
            self._refuse(refusal)

    def _count(self, size: int, reading_headers: bool) -> None:
        """Count bytes for which the parser made no callback: half a header, or the framing of chunks."""
        if reading_headers:
            self._unparsed_bytes += size
            if self._unparsed_bytes > MAX_HEADER_BYTES:
                raise headers_too_large(MAX_HEADER_BYTES)
        else:
            self._framed_bytes += size
            if self._framed_bytes > 9 * self._body_bytes + SPARE_FRAMING_BYTES:
                raise bad_request("the body's chunks are hardly more than framing")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = self._body_bytes = self._framed_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count_header(len(url))
        if not url.isascii():
            raise bad_request("the address must be ASCII: encode other characters with %")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header(len(name) + len(value) + 4)
        # Ignore trailers, which come too late, and names with _, which WSGI cannot tell from those with -.
        if self._reading_headers and b"_" not in name:
            super().on_header(name, value)

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise headers_too_large(MAX_HEADER_BYTES)

    def on_headers_complete(self) -> None:
        self._reading_headers = False
        self._requests += 1
        self._unparsed_bytes = 0
        self._connections.engage(self)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise bad_request(f"more than {MAX_PIPELINED} requests wait for their answers")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._reading_headers = True
        super().on_message_complete()

    # Output

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = self._end  # type: ignore[assignment]  # a cycle uses no more of it
        self._end.begin(cycle)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self._lingers:
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        if self.cycle.response_complete:  # no request was pipelined
            self._connections.wait(self, self.loop.time())

    def _refuse(self, refusal: Refused) -> None:
        """End the connection. Send the refusal unless other answers are in progress."""
        metrics.REFUSED.labels(refusal.status).inc()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self.pipeline or cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True  # its handler learns this, and its output is discarded
            cycle.message_event.set()
        self._refused = True
        added = cors_headers(self.url.decode("ascii", "replace"), self.headers) if self.headers else []
        self.transport.write(refusal.as_http(*added))
        self.close_when_read()

    def _turn_away(self, refusal: Refused) -> None:
        """Close at once. Waiting until the client reads the answer would leave it a connection that it may not have."""
        metrics.REFUSED.labels(refusal.status).inc()
        self.transport.write(refusal.as_http())
        self.transport.close()

    def close_when_read(self) -> None:
        """Close the connection. While the client is still sending, closing would lose the answer, so end our side first
        and discard input for a while."""
        if self._lingers or self.transport.is_closing():
            return
        self._connections.wait(self, self.loop.time())  # the sweep aborts what does not end by itself
        if not self._refused and not self.cycle.more_body:
            self.transport.close()
            return
        self._lingers = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _discard(self, size: int) -> None:
        self._lingered_bytes += size
        if self._lingered_bytes > LINGER_BYTES:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(STALLED_SECONDS, self._break_off)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._wait_no_more()

    def _wait_no_more(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _break_off(self) -> None:
        metrics.STALLED.inc()
        self.transport.abort()

    # Timeouts

    def give_way(self) -> None:
        """Abort: this connection has no request, and another one needs its place."""
        self._connections.leave(self)
        self.transport.abort()

    def overdue(self) -> None:
        """End a connection that had no request for too long, or whose client does not read the rest after a refusal."""
        if self._lingers or self.transport.is_closing():
            self.transport.abort()
        elif self._unparsed_bytes:
            self._refuse(too_slow(f"the headers took over {settings.HTTP_HEADER_SECONDS:g} s"))
        else:
            self.transport.close()
