"""manage.py simulate_history [--port 8090]: a stand-in for the Subscription Manager, for demos and tests."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from django.core.management.base import BaseCommand, CommandParser

from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import parse_key
from timeframes.core.ranges import parse_moment
from timeframes.core.simulated_history import Row, simulated_bars
from timeframes.core.timeframe import DAY, parse_timeframe

ADDRESS = "127.0.0.1"
MOST_DAYS = 366


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Serve GET /historical_data with simulated bars on 127.0.0.1, as docs/bars.md describes it, until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8090)

    def handle(self, *, port: int, **options: Any) -> None:
        with history_server(port) as server:
            self.stdout.write(f"SUBSCRIPTION_MANAGER_URL=http://{ADDRESS}:{server.server_port}")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                self.stdout.write("stopped")


def history_server(port: int) -> ThreadingHTTPServer:
    return ThreadingHTTPServer((ADDRESS, port), _History)


class _History(BaseHTTPRequestHandler):
    timeout = 5.0

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != "/historical_data":
            self._answer(404, {"detail": "there is only /historical_data"})
            return
        try:
            self._answer(200, _rows({name: values[-1] for name, values in parse_qs(parts.query).items()}))
        except InvalidInput as error:
            self._answer(400, {"detail": f"{error.field}: {error}"})

    def _answer(self, status: int, body: Any) -> None:
        content = orjson.dumps(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Log nothing: the command's output is its address."""


def _rows(query: dict[str, str]) -> list[Row]:
    key = parse_key(query.get("instrument_key", ""))
    seconds = parse_timeframe(query.get("interval", ""))
    begin = parse_moment(query.get("start_time", ""), key.exchange, "start_time")
    end = parse_moment(query.get("end_time", ""), key.exchange, "end_time", ends=True)
    if not isinstance(seconds, int) or seconds % 60 or DAY % seconds:
        raise InvalidInput("interval", "1m to 1d, of which a day holds a whole number")
    if not 0 < (end - begin).total_seconds() <= MOST_DAYS * DAY:
        raise InvalidInput("end_time", f"after start_time, at most {MOST_DAYS} days later")
    return list(simulated_bars(str(key), seconds, begin, end))
