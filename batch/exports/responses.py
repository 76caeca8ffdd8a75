"""The answers of exports, for the API's schema."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse

from batch.exports.formats import FORMATS

STREAM: dict[Any, Any] = {
    (200, each.media_type): OpenApiResponse(
        OpenApiTypes.STR if each.is_text else OpenApiTypes.BINARY, "The rows, in the order of the request."
    )
    for each in FORMATS.values()
}
