"""Choose the format and the content coding of a response (RFC 9110, 12.5)."""

from contextlib import suppress

from django.http import HttpRequest
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation

from batch.exports.formats import FORMATS, Format

CODINGS = ("zstd", "gzip", "identity")  # in order of preference


class NoneAcceptable(APIException):
    status_code = 406


class ErrorsAsProblems(BaseContentNegotiation):
    """For views that choose the format of their response themselves: DRF's renderer only renders errors."""

    def select_renderer(self, request, renderers, format_suffix=None):  # type: ignore[no-untyped-def]
        return renderers[0], renderers[0].media_type


def choose_format(request: HttpRequest, name: str = "") -> Format:
    """Choose a format by name, or else by the Accept header. Raises NoneAcceptable."""
    if name:
        return FORMATS[name]
    by_media_type = {each.media_type: each for each in FORMATS.values()}
    chosen = request.get_preferred_type(list(by_media_type))
    if chosen is None:
        raise NoneAcceptable(f"available: {', '.join(by_media_type)}; or ask for ?format={'|'.join(FORMATS)}")
    return by_media_type[chosen]


def choose_coding(accepted: str | None, offered: tuple[str, ...] = CODINGS) -> str | None:
    """Return the offered coding that an Accept-Encoding header prefers, or None if it accepts none.

    Ties go by the order offered. No header means identity. The header accepts `identity` unless it refuses it by name
    or by `*;q=0`.
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
                with suppress(ValueError):  # an invalid weight counts as 0
                    weight = min(max(float(value), 0.0), 1.0)
        weights["gzip" if coding == "x-gzip" else coding] = weight
    everything = weights.get("*", 0.0)
    least = 1e-4 if weights.get("*", 1.0) > 0 else 0.0  # less than any weight that a header can give
    found = {coding: weights.get(coding, least if coding == "identity" else everything) for coding in offered}
    best = max(offered, key=lambda coding: found[coding])
    return best if found[best] > 0 else None
