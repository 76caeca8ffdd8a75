"""Tickets for sockets: for clients that cannot set headers, and should not put a token into an address."""

from typing import cast

from django.conf import settings
from drf_spectacular.utils import extend_schema
from redis.exceptions import RedisError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from realtime.sockets.credentials import issue_ticket
from signalsite.foundation.errors import RedisConnectionError


class TicketSerializer(serializers.Serializer):
    ticket = serializers.CharField(help_text="Opens one socket, once: `?ticket=` or the first message.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class TicketView(APIView):
    @extend_schema(tags=["realtime"], request=None, responses={200: TicketSerializer}, summary="A ticket for a socket")
    def post(self, request: Request) -> Response:
        try:
            ticket = issue_ticket(cast(int, request.user.pk), request.auth)
        except RedisError as error:
            raise RedisConnectionError("Redis did not answer") from error
        body = {"ticket": ticket, "expires_in": settings.WEBSOCKET_TICKET_SECONDS}
        return Response(body, headers={"Cache-Control": "no-store"})
