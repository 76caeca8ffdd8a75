"""Access tokens over HTTP: the signature, and in one query the user and the sign-in that the token comes from."""

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken, Token

from realtime.credentials import NotAuthenticated, identity_of, read_token
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
            users = User.objects.filter(pk=identity.user_id, is_active=True)
            if identity.sign_in:  # commands of ours make tokens without one
                users = users.filter(Exists(SignIn.objects.filter(pk=identity.sign_in, user=OuterRef("pk"))))
        except NotAuthenticated as error:
            raise InvalidToken(str(error)) from error
        user = users.first()
        if user is None or not password_stands(validated_token, user):
            raise InvalidToken("the sign-in has ended, or the account has changed since: sign in again")
        return user


class BearerScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = "signalsite.accounts.authentication.BearerAuthentication"
