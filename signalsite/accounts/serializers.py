"""Serializers of the token endpoints. They check every bound before PostgreSQL, Redis or a hash sees the value."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework import serializers
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken
from rest_framework_simplejwt.tokens import RefreshToken

from realtime.sockets.credentials import NotAuthenticated, read_token
from signalsite.accounts.backend import LONGEST_NAME, LONGEST_PASSWORD
from signalsite.accounts.sign_ins import end, renew, sign_in

LONGEST_TOKEN = 2048


class TokensSerializer(serializers.Serializer):
    """Both tokens of a sign-in."""

    access = serializers.CharField(help_text="Send it as `Authorization: Bearer ...`.")
    refresh = serializers.CharField(help_text="Gives the next pair, once.")


class PasswordSerializer(serializers.Serializer):
    username = serializers.CharField(max_length=LONGEST_NAME)
    password = serializers.CharField(
        max_length=LONGEST_PASSWORD, trim_whitespace=False, style={"input_type": "password"}
    )

    def tokens(self) -> dict[str, str]:
        """Raises AuthenticationFailed, SignInRefused."""
        user = authenticate(self.context["request"], **self.validated_data)
        if not isinstance(user, User):
            raise AuthenticationFailed("no active account has this name and password")
        return _pair(sign_in(user))


class RefreshSerializer(serializers.Serializer):
    refresh = serializers.CharField(max_length=LONGEST_TOKEN)

    def tokens(self) -> dict[str, str]:
        """Raises InvalidToken."""
        try:
            return _pair(renew(self._shown(), timezone.now()))
        except NotAuthenticated as error:
            raise InvalidToken(str(error)) from error

    def end(self) -> None:
        """Raises InvalidToken."""
        try:
            end(self._shown(), "the user has signed out")
        except NotAuthenticated as error:
            raise InvalidToken(str(error)) from error

    def _shown(self) -> RefreshToken:
        return read_token(RefreshToken, self.validated_data["refresh"])


def _pair(refresh: RefreshToken) -> dict[str, Any]:
    return {"access": str(refresh.access_token), "refresh": str(refresh)}
