"""Counts the requests that Django answers. The event loop counts the live reads (`signalsite.front.live`)."""

import time

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from signalsite.foundation.log_users import known_user
from signalsite.usage.counts import NOBODY, count


class CountUsage(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        vars(request)["usage_began"] = time.perf_counter()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Count the request when its answer begins. `seconds` of a stream end there."""
        user, match = known_user(request), request.resolver_match
        seconds = time.perf_counter() - vars(request)["usage_began"]
        count(
            NOBODY if user is None else user.pk,
            "" if match is None else match.route,
            request.method or "",
            response.status_code,
            seconds,
        )
        return response
