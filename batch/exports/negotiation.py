"""Which format and which content coding a client gets (RFC 9110, 12.5)."""

from contextlib import suppress

from django.http import HttpRequest
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation

from batch.exports.formats import FORMATS, Format

CODINGS = ("zstd", "gzip", "identity")  # in the order we like them


class NoneAcceptable(APIException):
    status_code = 406


class ErrorsAsProblems(BaseContentNegotiation):
    """For views that choose the format of their answer themselves: DRF's renderer is for the errors only."""

    def select_renderer(self, request, renderers, format_suffix=None):  # type: ignore[no-untyped-def]
        return renderers[0], renderers[0].media_type


def choose_format(request: HttpRequest, name: str = "") -> Format:
    """By name, else by the Accept header. Raises NoneAcceptable."""
    if name:
        return FORMATS[name]
    by_media_type = {each.media_type: each for each in FORMATS.values()}
    chosen = request.get_preferred_type(list(by_media_type))
    if chosen is None:
        raise NoneAcceptable(f"offered are {', '.join(by_media_type)}; or say ?format={'|'.join(FORMATS)}")
    return by_media_type[chosen]


def choose_coding(accepted: str | None, offered: tuple[str, ...] = CODINGS) -> str | None:
    """The offered coding that an Accept-Encoding header likes best; ties in the order offered; None: takes none.

    No header means identity. `identity` is acceptable unless it is refused by name or by `*;q=0`.
    """
    if not (accepted or "").strip():
        return "identity"
    weights: dict[str, float] = {}
    for part in (accepted or "").split(","):
        coding, *parameters = (word.strip().lower() for word in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                weight = 0.0
                with suppress(ValueError):  # a weight that is no number is no invitation
                    weight = min(max(float(value), 0.0), 1.0)
        weights["gzip" if coding == "x-gzip" else coding] = weight
    everything = weights.get("*", 0.0)
    least = 1e-4 if weights.get("*", 1.0) > 0 else 0.0  # below every weight that can be written
    found = {coding: weights.get(coding, least if coding == "identity" else everything) for coding in offered}
    best = max(offered, key=lambda coding: found[coding])
    return best if found[best] > 0 else None
