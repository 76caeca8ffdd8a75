"""A feed's life: connect, subscribe, listen, connect again where it broke off."""

import json
import random
from collections.abc import Generator
from typing import Any

from .credentials import Token
from .effects import Connect, Emit, Flow, Hang, Interrupted, Now, Pause, Receive, SendText, SocketClosed, Stream
from .errors import ApiError, FeedEnded, ServiceUnreachable
from .events import Connected, Disconnected, Event
from .service import Service, as_json
from .subscriptions import Subscriptions

PATH = "/api/v2/signals/subscriptions/websocket"
TICKET_PATH = "/api/v2/signals/subscriptions/ticket"
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 30.0
FIRST_SILENCE_SECONDS = 30.0  # until the welcome says how often heartbeats come
SILENT_HEARTBEATS = 2.5  # after so many without a word the connection is taken for dead
AGAIN_SECONDS = 2.0  # until a subscription that could not be served is tried again
NOT_AUTHENTICATED, TOO_MANY = 4001, 4009
PASSING = {429, 502, 503, 504}
FINAL = {1009, 4003, 4004, 4008, 4010}  # connecting again would meet the same end


class Feed:
    """The flow of one feed. `ticket`: show a ticket, which opens one socket once, in place of the token."""

    def __init__(
        self, service: Service, subscriptions: Subscriptions, *, ticket: bool, give_up_after: float | None
    ) -> None:
        self._service = service
        self._subscriptions = subscriptions
        self._ticket = ticket
        self._give_up_after = give_up_after
        self._token = Token("")  # that the socket was last shown
        self._token_refused = False
        self._silence = FIRST_SILENCE_SECONDS
        self._waited = 0.0  # seconds since the service's last message, as far as the user let us listen
        self._failures = 0  # since the last welcome
        self._hint: float | None = None  # seconds, of a service that restarts
        self._was_open = False
        self._again_at: float | None = None

    def listen(self) -> Stream[Event]:
        """Raises FeedEnded, ApiError where the service refuses for good, ServiceUnreachable after `give_up_after`."""
        lost_at: float = yield Now()
        while True:
            cause: Exception
            try:
                yield from self._connection()
            except SocketClosed as error:
                cause = error
                if error.code in FINAL or (error.code == NOT_AUTHENTICATED and not self._may_renew()):
                    raise FeedEnded(error.code, error.reason) from error
            except (Interrupted, ServiceUnreachable) as error:
                cause = error
            except ApiError as error:
                cause = error
                if error.status not in PASSING and not (error.status in (401, 403) and self._may_renew()):
                    raise
            yield Hang()
            now: float = yield Now()
            if self._failures == 0:
                lost_at = now
            pause = self._pause(cause)
            if self._give_up_after is not None and now + pause - lost_at > self._give_up_after:
                raise ServiceUnreachable(f"no connection for {now - lost_at:.0f} s: {_words(cause)}") from cause
            yield Emit(Disconnected(_words(cause), pause))
            yield Pause(pause)

    def _connection(self) -> Generator[Any, Any, None]:
        """Listen until the connection ends, which raises."""
        credentials = self._service.credentials
        self._token = yield from (credentials.renew(self._token) if self._token_refused else credentials.token())
        if self._ticket:
            ticket = (yield from self._service.call("POST", TICKET_PATH, body={})).json()["ticket"]
            yield Connect(PATH, {"ticket": ticket}, ())
        else:
            yield Connect(PATH, {}, ("signals", f"bearer.{self._token.text}"))
        self._silence, self._waited, self._again_at = FIRST_SILENCE_SECONDS, 0.0, None
        for message in self._subscriptions.opening():
            yield SendText(message)
        while True:
            text = yield from self._receive()
            if text is not None:
                yield from self._handle(json.loads(text))

    def _receive(self) -> Flow[str | None]:
        """Return the next message, or None where something else was due first."""
        began: float = yield Now()
        renew_at = self._token.renew_at
        due = [at - began for at in (renew_at, self._again_at) if at is not None]
        text: str | None = yield Receive(max(0.0, min([self._silence - self._waited, *due])))
        now: float = yield Now()
        self._waited = 0.0 if text is not None else self._waited + now - began
        if self._waited >= self._silence:
            raise SocketClosed(None, f"silent for {self._silence:.0f} s")
        if renew_at is not None and now >= renew_at:
            yield from self._show_fresh_token()
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            for message in self._subscriptions.again():
                yield SendText(message)
        return text

    def _handle(self, message: dict[str, Any]) -> Stream[Event]:
        kind = message.get("type")
        if kind == "welcome":
            self._failures, self._token_refused = 0, False
            self._silence = max(1.0, SILENT_HEARTBEATS * float(message["heartbeat_seconds"]))
            yield Emit(Connected(self._was_open))
            self._was_open = True
        elif kind == "closing":
            self._hint = float(message["reconnect_after_ms"]) / 1000
        for event in self._subscriptions.read(message):
            yield Emit(event)
        if self._subscriptions.waiting and self._again_at is None:
            now: float = yield Now()
            self._again_at = now + AGAIN_SECONDS

    def _show_fresh_token(self) -> Flow[None]:
        """A socket lives as long as its token."""
        self._token = yield from self._service.credentials.renew(self._token)
        yield SendText(as_json({"type": "auth", "token": self._token.text}))

    def _may_renew(self) -> bool:
        """Whether another token may help: not where the service has just refused a fresh one."""
        if self._token_refused or not self._service.credentials.renewable:
            return False
        self._token_refused = True
        return True

    def _pause(self, cause: Exception) -> float:
        self._failures += 1
        hint, self._hint = self._hint, None
        if hint is not None:
            return hint  # the service spreads its clients by itself
        if isinstance(cause, ApiError) and cause.retry_after is not None:
            return cause.retry_after
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 10))
        if isinstance(cause, SocketClosed) and cause.code == TOO_MANY:
            longest = LONGEST_PAUSE_SECONDS
        return float(random.uniform(longest / 2, longest))


def _words(cause: Exception) -> str:
    if isinstance(cause, SocketClosed):
        return f"{cause.code or 'connection lost'} {cause.reason}".rstrip()
    return str(cause)
