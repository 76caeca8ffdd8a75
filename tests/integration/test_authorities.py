"""Outside services whose certificates come from an authority of one's own."""

import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from signalsite.foundation.tls import trusted_authorities
from tests.forks import the_forks

ASK = """
import sys, time
from signalsite.foundation.outside_service import OutsideService, ServiceFailed

try:
    print(OutsideService(1 << 20).ask(sys.argv[1], {}, bytes.decode, deadline=time.monotonic() + 10, token=""))
except ServiceFailed as error:
    print(error)
"""


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"[1]")

    def log_message(self, *arguments): ...


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    file = tmp_path_factory.mktemp("authority") / "own.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([*command, "-keyout", f"{file}.key", "-out", file], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return file


@pytest.fixture(scope="module")
def address(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, f"{authority}.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("trusted", [True, False])
def test_an_outside_service_is_asked_when_its_authority_is_trusted(address, authority, trusted):
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "signalsite.settings"}
    environment.pop("SSL_CERT_FILE", None)
    if trusted:
        environment["SSL_CERT_FILE"] = str(authority)
    done = the_forks().run([address], script=ASK, environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[1]" if trusted else "self-signed" in done.stdout


def test_a_process_reads_the_authorities_once():
    assert trusted_authorities() is trusted_authorities()
