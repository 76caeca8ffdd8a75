"""Access tokens over HTTP. One query finds the user and the sign-in that a token comes from."""

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import User
from django.db import close_old_connections
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken, Token

from realtime.sockets.credentials import NotAuthenticated, identity_of, read_token
from realtime.sockets.session import Identity
from signalsite.accounts.sign_ins import password_stands
from signalsite.models import SignIn


class BearerAuthentication(JWTAuthentication):
    """Checks claims and sign-ins. The library's class answers 500 to claims of the wrong type."""

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
        user = _users_of([identity]).get(identity)
        if user is None or not _stands(validated_token, user):
            raise InvalidToken("the sign-in has ended, or the account has changed since: sign in again")
        return user


def standing(tokens: Sequence[tuple[Token, Identity]]) -> list[bool]:
    """Return whether each token is still valid in the database, with two queries for all. Raises DatabaseError."""
    try:
        users = _users_of(identity for _, identity in tokens)
        found = [(token, users.get(identity)) for token, identity in tokens]
        return [user is not None and _stands(token, user) for token, user in found]
    finally:
        close_old_connections()  # as at the end of a request


def _users_of(identities: Iterable[Identity]) -> dict[Identity, User]:
    """Return the users by identity, without those whose user does not exist or whose sign-in has ended."""
    wanted = set(identities)
    sign_ins = SignIn.objects.select_related("user").in_bulk({each.sign_in for each in wanted if each.sign_in})
    by_id = {str(pk): sign_in for pk, sign_in in sign_ins.items()}
    users = User.objects.in_bulk({each.user_id for each in wanted if not each.sign_in})
    found = {}
    for each in wanted:
        if not each.sign_in:
            user = users.get(each.user_id)
        else:
            sign_in = by_id.get(each.sign_in)
            user = sign_in.user if sign_in is not None and sign_in.user_id == each.user_id else None
        if user is not None:
            found[each] = user
    return found


def _stands(token: Token, user: User) -> bool:
    return user.is_active and password_stands(token, user)


class BearerScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    target_class = "signalsite.accounts.authentication.BearerAuthentication"
