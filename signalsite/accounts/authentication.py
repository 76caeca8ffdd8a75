"""Access tokens over HTTP: the signature, and in one query the user and the sign-in that the token comes from."""

from django.contrib.auth.models import User
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken, Token

from realtime.credentials import NotAuthenticated, identity_of, read_token
from realtime.session import Identity
from signalsite.accounts.sign_ins import password_stands
from signalsite.models import SignIn


class BearerAuthentication(JWTAuthentication):
    """The library's own answers 500 to claims of the wrong type, and knows no sign-ins."""

    def get_validated_token(self, raw_token: bytes) -> Token:
        try:
            return read_token(AccessToken, raw_token)
        except NotAuthenticated as error:
            raise InvalidToken(str(error)) from error

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]  # the stubs: of any model
        try:
            identity = identity_of(validated_token)
        except NotAuthenticated as error:
            raise InvalidToken(str(error)) from error
        user = _user_of(identity)
        if user is None or not user.is_active or not password_stands(validated_token, user):
            raise InvalidToken("the sign-in has ended, or the account has changed since: sign in again")
        return user


def _user_of(identity: Identity) -> User | None:
    """None when there is no such user, or the sign-in has ended. One query either way."""
    try:
        if not identity.sign_in:  # commands of ours make tokens without one
            return User.objects.get(pk=identity.user_id)
        return SignIn.objects.select_related("user").get(pk=identity.sign_in, user_id=identity.user_id).user
    except (User.DoesNotExist, SignIn.DoesNotExist):
        return None


class BearerScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = "signalsite.accounts.authentication.BearerAuthentication"
