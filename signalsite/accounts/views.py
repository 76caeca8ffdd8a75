"""Sign in to the API, refresh tokens and sign out."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import AUTH_HEADER_TYPES

from signalsite.accounts.serializers import PasswordSerializer, RefreshSerializer, TokensSerializer

TAGS = ["tokens"]


class TokenView(APIView):
    # No docstring: the schema would show it with each operation. These are for callers without an access token.
    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        return f'{AUTH_HEADER_TYPES[0]} realm="api"'  # without this header DRF would answer 403 instead of 401

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class SignInView(TokenView):
    @extend_schema(tags=TAGS, request=PasswordSerializer, responses=TokensSerializer, summary="Tokens for a password")
    def post(self, request: Request) -> Response:
        serializer = PasswordSerializer(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        return Response(serializer.tokens())


class RefreshView(TokenView):
    @extend_schema(
        tags=TAGS,
        request=RefreshSerializer,
        responses=TokensSerializer,
        summary="The next pair of tokens; the refresh token that was sent is used up",
    )
    def post(self, request: Request) -> Response:
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.tokens())


class SignOutView(TokenView):
    @extend_schema(
        tags=TAGS,
        request=RefreshSerializer,
        responses={204: OpenApiResponse(description="No token of this sign-in is taken any more; its sockets close.")},
        summary="Sign out",
    )
    def post(self, request: Request) -> Response:
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.end()
        return Response(status=204)
