"""Sign and verify webhooks."""

import base64
from ipaddress import ip_address, ip_network

import pytest

from batch.webhooks.core.addresses import ForbiddenAddress, Policy, check_address, is_public, read_url
from batch.webhooks.core.signing import InvalidSecret, InvalidSignature, read_secret, sign, signed_headers, verify

# The example of the Standard Webhooks libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def secret_of(size: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


def test_the_published_example() -> None:
    assert sign(SECRET, MESSAGE_ID, TIMESTAMP, BODY) == SIGNATURE


def test_what_is_signed_verifies() -> None:
    headers = signed_headers(SECRET, MESSAGE_ID, TIMESTAMP, BODY)
    for shift in (-300, 0, 300):
        assert verify(SECRET, headers, BODY, now=TIMESTAMP + shift) == MESSAGE_ID
    shouted = {name.title(): value for name, value in headers.items()}
    assert verify(SECRET, shouted, BODY, now=TIMESTAMP) == MESSAGE_ID
    rotating = {**headers, "webhook-signature": f"{sign(secret_of(32), MESSAGE_ID, TIMESTAMP, BODY)} v1a,x {SIGNATURE}"}
    assert verify(SECRET, rotating, BODY, now=TIMESTAMP) == MESSAGE_ID


@pytest.mark.parametrize(
    ("changed", "body", "now", "words"),
    [
        ({}, BODY + b" ", TIMESTAMP, "no signature fits"),
        ({"webhook-id": "other"}, BODY, TIMESTAMP, "no signature fits"),
        ({"webhook-timestamp": str(TIMESTAMP + 1)}, BODY, TIMESTAMP, "no signature fits"),
        ({"webhook-signature": ""}, BODY, TIMESTAMP, "no signature fits"),
        ({"webhook-signature": SIGNATURE.removeprefix("v1,")}, BODY, TIMESTAMP, "no signature fits"),
        ({"webhook-signature": "v1,ü"}, BODY, TIMESTAMP, "no signature fits"),
        ({}, BODY, TIMESTAMP + 301, "300 s away"),
        ({}, BODY, TIMESTAMP - 301, "300 s away"),
        ({"webhook-timestamp": "soon"}, BODY, TIMESTAMP, "no number"),
        ({"webhook-timestamp": "-1"}, BODY, TIMESTAMP, "no number"),
        ({"webhook-timestamp": "²"}, BODY, TIMESTAMP, "no number"),
    ],
)
def test_what_was_changed_or_is_old_does_not(changed: dict[str, str], body: bytes, now: float, words: str) -> None:
    with pytest.raises(InvalidSignature, match=words):
        verify(SECRET, {**signed_headers(SECRET, MESSAGE_ID, TIMESTAMP, BODY), **changed}, body, now=now)


def test_a_missing_header_is_named() -> None:
    with pytest.raises(InvalidSignature, match="webhook-id is missing"):
        verify(SECRET, {"webhook-timestamp": "1", "webhook-signature": SIGNATURE}, BODY, now=1)


def test_secrets_are_of_24_to_64_bytes() -> None:
    for size in (24, 64):
        assert read_secret(secret_of(size)) == bytes(range(size))
    for bad in (secret_of(23), secret_of(65), "whsec_", "whsec_***", "whsec_é", SECRET.removeprefix("whsec_"), ""):
        with pytest.raises(InvalidSecret) as refusal:
            read_secret(bad)
        assert not bad or bad not in str(refusal.value)


PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1"]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.1.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::8.8.8.8",
    "::127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:db8::1",
    "2001:10::1",
    "2001:20::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3ffe::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "2606:4700::1%1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert read_url(f"https://{host}/hook", Policy()).host == address


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(ForbiddenAddress, match="not a public address"):
        check_address(address, Policy())
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(ForbiddenAddress):
        read_url(f"https://{host}/hook", Policy())


def test_an_operator_may_allow_networks() -> None:
    own = Policy(allowed=[ip_network("10.0.0.0/8"), ip_network("fd00::/8")])
    for address in ("10.1.2.3", "fd00::1", "8.8.8.8"):
        check_address(address, own)
    for address in ("127.0.0.1", "::ffff:10.1.2.3", "fc00::1"):
        with pytest.raises(ForbiddenAddress):
            check_address(address, own)


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://example.com", "example.com", "/"),
        ("https://EXAMPLE.com:443/a/b?c=d%20e&f", "example.com", "/a/b?c=d%20e&f"),
        ("https://hooks.example.com:8443?x", "hooks.example.com:8443", "/?x"),
        ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]:8443", "/"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
        ("https://my_service.example/", "my_service.example", "/"),
    ],
)
def test_urls_are_taken_apart(url: str, authority: str, target: str) -> None:
    found = read_url(url, Policy())
    assert (found.scheme, found.authority, found.target) == ("https", authority, target)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/", "scheme must be https"),
        ("ftp://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("//example.com/", "scheme"),
        ("example.com", "scheme"),
        ("", "visible ASCII"),
        ("https://", "no name"),
        ("https:///path", "no name"),
        ("https://user:word@example.com/", "credentials"),
        ("https://@example.com/", "credentials"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:22/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:99999/", "not a URL"),
        ("https://example.com:x/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://example.com\\@127.0.0.1/", "visible ASCII"),
        ("https://exam ple.com/", "visible ASCII"),
        ("https://example.com/\r\nX: y", "visible ASCII"),
        ("https://bücher.example/", "visible ASCII"),
        ("https://example.com./", "no name"),
        ("https://-example.com/", "no name"),
        ("https://exa%6dple.com/", "no name"),
        ("https://127.1/", "four decimal"),
        ("https://2130706433/", "four decimal"),
        ("https://0x7f000001/", "four decimal"),
        ("https://0x7f.0.0.1/", "four decimal"),
        ("https://0177.0.0.1/", "four decimal"),
        ("https://localhost/", "not a public"),
        ("https://any.localhost:8000/", "not a public"),
        ("https://example.com/" + "a" * 2048, "at most 2048"),
        ("https://" + "a." * 130 + "com/", "no name"),
    ],
)
def test_urls_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(ForbiddenAddress, match=words):
        read_url(url, Policy())


def test_plain_http_and_localhost_where_they_are_allowed() -> None:
    own = Policy(allow_http=True, allowed=[ip_network("127.0.0.0/8")])
    assert read_url("http://localhost:8000/x", own).authority == "localhost:8000"
    assert read_url("http://127.0.0.1/x", own).authority == "127.0.0.1"
    assert read_url("http://example.com/", own).port == 80
