"""Origins in the settings: what browsers send, and what is refused with the sentence that helps."""

import pytest
from environs import EnvError

from signalsite.settings.environment import origin

read = origin("CORS_ALLOWED_ORIGINS")


@pytest.mark.parametrize(
    "text",
    [
        "https://desk.example",
        "http://localhost:3000",
        "http://127.0.0.1:8443",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example",
        "https://desk.example:80",
    ],
)
def test_an_origin_as_browsers_send_it(text: str) -> None:
    assert read(f" {text} ") == text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("https://Desk.Example", "https://desk.example"),
        ("HTTPS://desk.example", "https://desk.example"),
        ("https://desk.example:443", "https://desk.example"),
        ("http://desk.example:80", "http://desk.example"),
        ("https://desk.example:", "https://desk.example"),
        ("https://desk.example:08443", "https://desk.example:8443"),
        ("https://desk.example/", "https://desk.example"),
        ("https://desk.example/app?x#y", "https://desk.example"),
        ("https://user:word@desk.example", "https://desk.example"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_what_would_never_match_is_refused_with_what_would(text: str, right: str) -> None:
    with pytest.raises(EnvError) as refused:
        read(text)
    assert str(refused.value).startswith("CORS_ALLOWED_ORIGINS: ") and str(refused.value).endswith(f"write {right}")


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "null", "desk.example", "https://", "https://*", "https://*.desk.example", "ftp://desk.example"),
        *("http://[", "http://[::1", "http://[x]", "https://desk.example:99999", "https://desk.example:x"),
        *(
            "https://a b",
            "https://a\uff0fb",
            "https://desk..example",
            "https://" + "a" * 70 + ".example",
            "http://a%41",
        ),
    ],
)
def test_what_is_no_origin_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(EnvError, match=r"^CORS_ALLOWED_ORIGINS: .* is not an origin such as https://desk.example or"):
        read(text)
