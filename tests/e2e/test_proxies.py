"""deploy/nginx.conf and deploy/Caddyfile: each is checked by its own program, and put before a running web process."""

import http.client
import json
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from websockets.sync.client import connect

from signalsite.embedded.service import free_port
from tests.e2e.conftest import ROOT, own_database
from tests.e2e.sockets import V2, Web, running_web, token

NAME = "signals.example.com"
NGINX, CADDY = (shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin") for name in ("nginx", "caddy"))
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: apt-get install nginx-light)")
needs_caddy = pytest.mark.skipif(CADDY is None, reason="caddy is not installed (Debian: apt-get install caddy)")


@needs_nginx
def test_nginx_takes_its_sample(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(NGINX), "-t", "-c", str(nginx_configuration(tmp_path, web=8000, plain=8080, tls=8443))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "warn" not in done.stderr, done.stderr


@needs_caddy
def test_caddy_takes_its_sample(tmp_path: Path) -> None:
    command = [str(CADDY), "validate", "--adapter", "caddyfile", "--config", str(ROOT / "deploy/Caddyfile")]
    done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Valid configuration" in done.stdout + done.stderr, done.stderr


@pytest.fixture(scope="module")
def production(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with running_web(
        tmp_path_factory.mktemp("behind") / "web.log",
        SIGNALSITE_ENV="production",
        SECRET_KEY=settings.SECRET_KEY if len(settings.SECRET_KEY) >= 50 else secrets.token_urlsafe(48),
        DATABASE_URL=own_database(),
        REDIS_URL=settings.REDIS_URL,
        ALLOWED_HOSTS=f"{NAME},127.0.0.1",
        CSRF_TRUSTED_ORIGINS=f"https://{NAME}",
        FORWARDED_ALLOW_IPS="127.0.0.0/8",
        METRICS_ALLOWED_NETWORKS="127.0.0.1/32",
    ) as web:
        yield web


@needs_nginx
def test_nginx_in_front(production: Web, tmp_path: Path) -> None:
    plain, tls = free_port(), free_port()
    configuration = nginx_configuration(tmp_path, web=production.port, plain=plain, tls=tls)
    with program([str(NGINX), "-c", str(configuration), "-g", "daemon off;"], tmp_path, tls):
        moved = httpx.get(f"http://127.0.0.1:{plain}/api/docs", headers={"Host": NAME})
        assert (moved.status_code, moved.headers["Location"]) == (301, f"https://{NAME}/api/docs")
        what_a_proxy_must_do(production, tls)
        large = http.client.HTTPSConnection("127.0.0.1", tls, context=trusting(), timeout=10)
        large.putrequest("POST", "/api/token", skip_host=True)
        large.putheader("Host", NAME)
        large.putheader("Content-Length", str(257 << 20))
        large.endheaders()  # refused by its announcement
        assert large.getresponse().status == 413
        large.close()


@needs_caddy
def test_caddy_in_front(production: Web, tmp_path: Path) -> None:
    tls = free_port()
    sample = (ROOT / "deploy/Caddyfile").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{production.port}")
    sample = sample.replace(
        "{\n\tservers", "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tservers", 1
    )
    sample = sample.replace(f"{NAME} {{", f"{NAME}:{tls} {{\n\ttls internal\n", 1)
    (tmp_path / "Caddyfile").write_text(sample)
    command = [str(CADDY), "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    with program(command, tmp_path, tls):
        what_a_proxy_must_do(production, tls)


def what_a_proxy_must_do(web: Web, port: int) -> None:
    """TLS ends here, the caller's own words about its address are replaced, sockets get through."""
    trust = trusting()
    extensions = {"sni_hostname": NAME}
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", headers={"Host": NAME}, verify=trust) as client:

        def get(path: str, **headers: str) -> httpx.Response:
            return client.get(path, headers=headers, extensions=extensions)

        page = get("/admin/login/")
        assert page.status_code == 200 and "Strict-Transport-Security" in page.headers  # the service knows of the TLS
        direct = httpx.get(f"http://127.0.0.1:{web.port}/metrics", headers={"X-Forwarded-For": "10.9.9.9"})
        assert direct.status_code == 403
        assert get("/metrics", **{"X-Forwarded-For": "10.9.9.9"}).status_code == 200
        refused = get("/api/v2/signals/batch/jobs")
        assert refused.status_code == 401 and refused.headers["Content-Type"] == "application/problem+json"
    with connect(
        f"wss://{NAME}:{port}{V2}",
        sock=socket.create_connection(("127.0.0.1", port)),
        ssl=trust,
        server_hostname=NAME,
        subprotocols=["signals", f"bearer.{token()}"],  # type: ignore[list-item]
        compression=None,
    ) as opened:
        assert json.loads(opened.recv(10))["type"] == "welcome"


def trusting() -> ssl.SSLContext:
    """For the certificates that the test makes."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust


def nginx_configuration(folder: Path, *, web: int, plain: int, tls: int) -> Path:
    """The sample inside a block `http`, with ports, certificate and folders of the test's."""
    openssl = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={NAME}".split()
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*openssl, *files], check=True, capture_output=True)
    sample = (ROOT / "deploy/nginx.conf").read_text().replace(f"/etc/letsencrypt/live/{NAME}", str(folder))
    sample = re.sub(r"^ +listen \[::\].*\n", "", sample, flags=re.MULTILINE)  # a test's machine may have no IPv6
    for before, after in (("listen 80;", plain), ("listen 443 ", tls), ("127.0.0.1:8000", web)):
        sample = sample.replace(before, re.sub(r"(\d+)(\W*)$", rf"{after}\2", before))
    (folder / "sample.conf").write_text(sample.replace(f"listen {plain};", f"listen 127.0.0.1:{plain};"))
    folders = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = folder / "nginx.conf"
    whole.write_text(
        f"pid {folder}/nginx.pid;\nerror_log stderr;\nevents {{ worker_connections 256; }}\n"
        f"http {{\naccess_log off;\n{folders}include {folder}/sample.conf;\n}}\n"
    )
    return whole


@contextmanager
def program(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"}, stdout=log, stderr=log)
    try:
        wait_for(lambda: _listens(port), process, folder)
        yield
    finally:
        process.terminate()
        process.wait(20)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, (folder / "proxy.log").read_text()
        time.sleep(0.1)


def _listens(port: int) -> bool:
    trust = trusting()
    try:
        with httpx.Client(verify=trust) as client:
            client.get(f"https://127.0.0.1:{port}/health", headers={"Host": NAME}, extensions={"sni_hostname": NAME})
    except httpx.TransportError:
        return False
    return True
