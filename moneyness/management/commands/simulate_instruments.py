"""manage.py simulate_instruments [--port 8091]: a stand-in for the instrument service, for demos and tests."""

from collections.abc import Callable
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from moneyness.instrument_service.contract import InstrumentServiceClient, NothingKnown
from moneyness.instrument_service.simulated import SimulatedInstrumentService
from signalsite.foundation.errors import InvalidInput

ADDRESS = "127.0.0.1"
Query = dict[str, str]


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Serve a simulated instrument service on 127.0.0.1, until Ctrl-C (docs/instrument-service.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8091)

    def handle(self, *, port: int, **options: Any) -> None:
        with instrument_server(port) as server:
            self.stdout.write(f"INSTRUMENT_SERVICE_URL=http://{ADDRESS}:{server.server_port}")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                self.stdout.write("stopped")


def instrument_server(port: int) -> ThreadingHTTPServer:
    return ThreadingHTTPServer((ADDRESS, port), _Instruments)


def _expiry(query: Query) -> date | None:
    return date.fromisoformat(query["expiry"]) if "expiry" in query else None


_PATHS: dict[str, Callable[[InstrumentServiceClient, Query], msgspec.Struct]] = {
    "/mapping": lambda service, query: service.mapping(query["underlying"], _expiry(query)),
    "/level": lambda service, query: service.level(query["underlying"], query["level"], _expiry(query)),
    "/moneyness": lambda service, query: service.moneyness(query["instrument_key"]),
    "/atm-iv": lambda service, query: service.atm_volatility(query["underlying"], _expiry(query)),
    "/otm-delta": lambda service, query: service.otm_delta(
        query["underlying"], float(query["delta"]), query["option_type"], _expiry(query)
    ),
    "/history": lambda service, query: service.history(
        query["underlying"], datetime.fromisoformat(query["start_time"]), datetime.fromisoformat(query["end_time"])
    ),
    "/metadata": lambda service, query: service.metadata(query["instrument_key"]),
}


class _Instruments(BaseHTTPRequestHandler):
    timeout = 5.0

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        answer = _PATHS.get(parts.path)
        if answer is None:
            self._answer(404, {"detail": f"the paths are {', '.join(_PATHS)}"})
            return
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            self._answer(200, answer(SimulatedInstrumentService(timezone.now), query))
        except NothingKnown as error:
            self._answer(404, {"detail": str(error)})
        except InvalidInput as error:
            self._answer(400, {"detail": f"{error.field}: {error}"})
        except (KeyError, ValueError) as error:
            self._answer(400, {"detail": f"a parameter is missing or wrong: {error}"})

    def _answer(self, status: int, body: Any) -> None:
        content = msgspec.json.encode(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Log nothing: the command's output is its address."""
