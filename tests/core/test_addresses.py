"""Every URL of a webhook is either parsed or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.webhooks.core.addresses import ForbiddenAddress, Policy, check_address, read_url

OPEN = Policy(allow_http=True)
PIECES = [
    "http",
    "https",
    "://",
    ":",
    "/",
    "//",
    "[",
    "]",
    "@",
    "?",
    "#",
    "%",
    "%25",
    ".",
    "..",
    "0",
    "1",
    "80",
    "443",
    "65536",
]
PIECES += [
    "99999999",
    "v1.x",
    "::1",
    "::",
    "fe80",
    "2606:4700::1111",
    "127.0.0.1",
    "0x7f",
    "example.com",
    "-",
    "_",
    "é",
    " ",
    "\0",
    "+",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_behind_a_scheme(text: str) -> None:
    try:
        target = read_url(f"http://{text}", OPEN)
    except ForbiddenAddress as error:
        assert str(error)
    else:
        assert target.host and (target.port in (80, 443) or 1024 <= target.port <= 65_535)
        assert target.authority.startswith(("[", target.host))


@pytest.mark.parametrize("text", ["", "v1.x", "1.2.3", "1.2.3.4/8", "::1%", "x" * 5000, "1" * 40])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_address(text, OPEN)


@pytest.mark.parametrize("rest", ["x", "example.com", ".", ":80x", ":", "@"])
def test_nothing_but_a_port_stands_behind_brackets(rest: str) -> None:
    url = f"https://[2606:4700:4700::1111]{rest}/"
    if rest == ":":
        assert read_url(url, OPEN).port == 443
    else:
        with pytest.raises(ForbiddenAddress):
            read_url(url, OPEN)
