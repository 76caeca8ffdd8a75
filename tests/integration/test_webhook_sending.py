"""Post one webhook to a real receiver on the loopback address: addresses, limits and timeouts."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from batch.webhooks.core.addresses import ForbiddenAddress, Policy
from batch.webhooks.sending import MOST_READ_BYTES, Unreachable, post
from tests.receiver import Receiver, Reply, receiving

LOOPBACK = Policy(allow_http=True, allowed=[ip_network("127.0.0.0/8")])


def send(url: str, policy: Policy = LOOPBACK, **options: Any) -> Any:
    return post(url, {"X-Test": "1"}, b"{}", policy, **options)


class TestSending:
    """One POST; no database."""

    def test_the_request_as_it_arrives(self) -> None:
        with receiving(Reply(201, {"Retry-After": "7"}, b"thanks")) as receiver:
            answer = send(f"{receiver.address}/hook?a=b%20c")
        (received,) = receiver.received
        assert (answer.status_code, answer.headers["retry-after"], answer.body) == (201, "7", b"thanks")
        assert (received.path, received.body, received.headers["X-Test"]) == ("/hook?a=b%20c", b"{}", "1")
        assert received.headers["Host"] == f"127.0.0.1:{receiver.port}"

    def test_a_name_is_resolved_once_and_kept_in_the_host_header(self) -> None:
        asked: list[str] = []

        def resolver(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.2"] if len(asked) == 1 else ["10.0.0.1"]  # as in a DNS rebinding attack

        with receiving(host="127.0.0.2") as receiver:
            send(f"http://hooks.example.com:{receiver.port}/", resolver=resolver)
        assert asked == ["hooks.example.com"]
        assert receiver.received[0].headers["Host"] == f"hooks.example.com:{receiver.port}"

    @pytest.mark.parametrize(
        "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1"], ["169.254.169.254"]]
    )
    def test_a_name_with_any_private_address_is_refused(self, addresses: list[str]) -> None:
        with receiving() as receiver, pytest.raises(ForbiddenAddress, match="not a public address"):
            url = f"http://hooks.example.com:{receiver.port}/"
            send(url, Policy(allow_http=True), resolver=lambda host, port: addresses)
        assert not receiver.received

    def test_the_systems_own_resolver_is_checked_too(self) -> None:
        name = socket.gethostname()
        with receiving() as receiver, pytest.raises((ForbiddenAddress, Unreachable)):
            send(f"http://{name}:{receiver.port}/", Policy(allow_http=True))
        assert not receiver.received

    def test_the_next_address_is_tried(self) -> None:
        with receiving(host="127.0.0.2") as receiver:
            url = f"http://hooks.example.com:{receiver.port}/"
            assert send(url, resolver=lambda host, port: ["127.0.0.3", "127.0.0.2"]).status_code == 204

    def test_a_redirect_is_not_followed(self) -> None:
        with receiving() as inner:
            with receiving(Reply(302, {"Location": f"{inner.address}/secret"})) as outer:
                assert send(outer.address).status_code == 302
            assert not inner.received

    def test_the_proxies_of_the_environment_are_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with receiving() as proxy, receiving() as receiver:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.address)
            assert send(receiver.address).status_code == 204
        assert (len(proxy.received), len(receiver.received)) == (0, 1)

    def test_of_a_huge_body_little_is_read(self) -> None:
        with receiving(Reply(500, body=b"x" * (256 << 20))) as receiver:
            answer = send(receiver.address)
        assert (answer.status_code, len(answer.body)) == (500, MOST_READ_BYTES)
        assert receiver.bytes_sent < 32 << 20  # the sockets' buffers

    @pytest.mark.parametrize("reply", [Reply(before=30), Reply(trickle=0.2)])
    def test_a_slow_receiver_has_its_time_and_no_more(self, reply: Reply) -> None:
        with receiving(reply) as receiver:
            begun = time.monotonic()
            with pytest.raises(Unreachable, match="Timeout"):
                send(receiver.address, total_seconds=1.0)
            assert 0.9 < time.monotonic() - begun < 2

    def test_a_slow_body_changes_nothing_about_the_status(self) -> None:
        with receiving(Reply(200, body=b"x" * 1000, trickle=0.01)) as receiver:
            answer = send(receiver.address, total_seconds=1.5)
        assert answer.status_code == 200 and 0 < len(answer.body) < 1000

    def test_a_slow_resolver_has_its_time_too(self) -> None:
        release = threading.Event()
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="not resolved in time"):
            send("http://hooks.example.com/", resolver=lambda *_: [str(release.wait(20))], total_seconds=0.5)
        release.set()
        assert time.monotonic() - begun < 2

    def test_who_is_not_there_or_speaks_no_http(self) -> None:
        with receiving() as receiver:
            address = receiver.address
        with pytest.raises(Unreachable, match="ConnectError"):
            send(address)
        with pytest.raises(Unreachable, match="not resolved"):
            send("http://no-such-name.invalid/")
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-x\r\n" * 50))
            thread.start()
            with pytest.raises(Unreachable):
                send(f"http://127.0.0.1:{server.getsockname()[1]}/")
            thread.join()


class TestTLS:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        path = tmp_path / "hooks.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=hooks.example.com", "-addext", "subjectAltName=DNS:hooks.example.com"]
        try:
            subprocess.run([*command, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
        path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
        return path

    @pytest.fixture
    def receiver(self, certificate: Path) -> Iterator[Receiver]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with receiving(tls=context) as receiver:
            yield receiver

    def test_the_certificate_is_checked_against_the_name_not_the_address(
        self, receiver: Receiver, certificate: Path
    ) -> None:
        trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
        options: dict[str, Any] = {"resolver": lambda host, port: ["127.0.0.1"], "tls": trusting}
        assert send(f"https://hooks.example.com:{receiver.port}/", **options).status_code == 204
        with pytest.raises(Unreachable, match="Hostname mismatch"):
            send(f"https://other.example.com:{receiver.port}/", **options)

    def test_a_certificate_of_nobodys_is_refused(self, receiver: Receiver) -> None:
        with pytest.raises(Unreachable, match="self-signed"):
            send(f"https://hooks.example.com:{receiver.port}/", resolver=lambda host, port: ["127.0.0.1"])
        assert not receiver.received
