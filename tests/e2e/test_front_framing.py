"""How requests are framed: endless headers, pipelines and chunks, written by hand."""

import gzip
import json

import httpx
import pytest

from tests.e2e.conftest import BATCH
from tests.e2e.front import JOBS, JSON, SUBMISSION, authorization, served_meanwhile
from tests.e2e.raw import connections


class TestHeaders:
    @pytest.mark.parametrize("start", [b"GET /health HTTP/1.1\r\nX-Endless: ", b"GET /", b"\r\n"])
    def test_an_endless_one_is_refused(self, address: str, start: bytes) -> None:
        part = b"\r\n" * 32_768 if start == b"\r\n" else b"a" * 65_536
        with connections(address, 1) as (attacker,), served_meanwhile(address):
            attacker.send(start)
            sent = attacker.flood(part, 128 << 20)
            assert sent < 32 << 20
            assert attacker.answer().is_problem(431)

    def test_many_small_ones_and_a_large_one(self, address: str) -> None:
        for headers in ([f"X-{n}: {n}" for n in range(4000)], ["X-Large: " + "a" * 33_000]):
            with connections(address, 1) as (attacker,):
                attacker.ask("GET /health", *headers)
                assert attacker.answer().is_problem(431)
        with connections(address, 1) as (client,):
            client.ask("GET /health", "X-Large: " + "a" * 31_000)
            assert client.answer().status == 200

    def test_many_requests_on_one_connection_are_no_large_header(self, address: str) -> None:
        with connections(address, 1) as (client,):
            for _ in range(50):
                client.ask("GET /health", "X-Large: " + "a" * 3000)
                assert client.answer().status == 200

    def test_one_that_looks_like_another_in_wsgi_is_dropped(self, address: str, alice: httpx.Client) -> None:
        token = alice.headers["Authorization"]
        for first, status in ((f"Authorization: {token}", 200), (f"Content_Length: 5\r\nAuthorization: {token}", 200)):
            with connections(address, 1) as (client,):
                client.ask(f"GET {BATCH}/jobs?limit=1", first)
                assert client.answer().status == status

    @pytest.mark.parametrize(
        "request_",
        [
            b"POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
            b"POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            b"POST /api/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"GET /health?\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ],
    )
    def test_what_is_no_request(self, address: str, request_: bytes) -> None:
        with connections(address, 1) as (client,):
            client.send(request_)
            assert client.answer().is_problem(400)
            assert client.is_ended()


class TestPipelines:
    def test_a_few_are_answered_in_order(self, address: str) -> None:
        with connections(address, 1) as (client,):
            for path in ("/health", "/nothing", "/health"):
                client.ask(f"GET {path}")
            assert [client.answer().status for _ in range(3)] == [200, 404, 200]

    def test_a_flood_ends_the_connection(self, address: str) -> None:
        with connections(address, 1) as (client,), served_meanwhile(address):
            sent = client.flood(f"GET /ready HTTP/1.1\r\nHost: {client.host}\r\n\r\n".encode() * 1000, 64 << 20)
            assert sent < 32 << 20
            assert client.is_ended() or client.is_ended() or client.is_ended()  # after what was answered

    def test_http_1_0(self, address: str) -> None:
        with connections(address, 1) as (client,):
            client.send(b"GET /health HTTP/1.0\r\n\r\n")
            assert client.answer().status == 200
            assert client.is_ended()


class TestChunks:
    def chunked(self, body: bytes, *trailers: str, step: int = 1000) -> bytes:
        parts = [body[at : at + step] for at in range(0, len(body), step)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        return framed + "\r\n".join(["0", *trailers, "", ""]).encode()

    @pytest.mark.parametrize("encoding", ["identity", "gzip"])
    def test_a_submission_in_chunks(self, address: str, alice: httpx.Client, encoding: str) -> None:
        body = gzip.compress(SUBMISSION) if encoding == "gzip" else SUBMISSION
        with connections(address, 1) as (client,):
            headers = (authorization(alice), JSON, f"Content-Encoding: {encoding}", "Transfer-Encoding: chunked")
            for step in (1, 1000):
                client.ask(f"POST {BATCH}/greeks", *headers, body=self.chunked(body, step=step))
                answer = client.answer()
                assert answer.status == 200 and len(json.loads(answer.body)["data"]) == 1

    def test_trailers_are_no_headers(self, address: str, alice: httpx.Client) -> None:
        with connections(address, 1) as (client,):
            for _ in range(2):
                body = self.chunked(SUBMISSION, "Idempotency-Key: trailing", "Content-Encoding: br")
                client.ask(f"POST {BATCH}/greeks", authorization(alice), JSON, "Transfer-Encoding: chunked", body=body)
                answer = client.answer()
                assert answer.status == 200 and "idempotency-replayed" not in answer.headers

    @pytest.mark.parametrize(
        ("start", "part"), [(b"5;", b"a" * 65_536), (b"1\r\nx\r\n0\r\nX-Trailer: ", b"a" * 65_536)]
    )
    def test_endless_framing(self, address: str, alice: httpx.Client, start: bytes, part: bytes) -> None:
        with connections(address, 1) as (attacker,), served_meanwhile(address):
            attacker.ask(JOBS, authorization(alice), JSON, "Transfer-Encoding: chunked", body=start)
            assert attacker.flood(part, 128 << 20) < 32 << 20
            assert attacker.answer().is_problem(400)

    def test_more_than_the_limit(self, address: str) -> None:
        with connections(address, 1) as (attacker,):
            attacker.ask("POST /api/token", JSON, "Transfer-Encoding: chunked")
            chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
            assert attacker.flood(chunk, 128 << 20) < 32 << 20
            assert attacker.answer().is_problem(413)
