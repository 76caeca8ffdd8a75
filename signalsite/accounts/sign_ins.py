"""Sign-ins to the API: each hands out refresh tokens of which only the newest can be used, and ends as a whole."""

import logging
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken, Token
from rest_framework_simplejwt.utils import get_md5_hash_password

from realtime.sockets.control import disconnect
from realtime.sockets.credentials import SIGN_IN_CLAIM, NotAuthenticated, identity_of
from signalsite.foundation.errors import RedisConnectionError
from signalsite.models import SignIn

logger = logging.getLogger(__name__)
AGAIN_SECONDS = 10.0
"""A token may come again for so long: its answer may have been lost, or two threads of a client have sent it at once.
Whoever sends it gets the same successor; no further one comes of it."""


def sign_in(user: User) -> RefreshToken:
    token = RefreshToken.for_user(user)
    kept = SignIn.objects.create(user=user, current=token["jti"], expires_at=_expiry(token))
    token[SIGN_IN_CLAIM] = str(kept.pk)
    return token


def renew(shown: RefreshToken, now: datetime) -> RefreshToken:
    """The successor of a refresh token, with the claims of the user as of now. Raises NotAuthenticated.

    A token that was used before is in two hands: its sign-in ends for both.
    """
    kept = SignIn.objects.select_related("user").filter(pk=_id_of(shown)).first()
    if kept is None:
        raise NotAuthenticated("the sign-in has ended: sign in again")
    if not kept.user.is_active or not password_stands(shown, kept.user):
        raise NotAuthenticated("the account is not active, or its password was changed: sign in again")
    following = RefreshToken.for_user(kept.user)
    following[SIGN_IN_CLAIM] = str(kept.pk)
    # One statement: of two that show the same token at once, one finds it current.
    if SignIn.objects.filter(pk=kept.pk, current=shown["jti"]).update(
        current=following["jti"], previous=shown["jti"], renewed_at=now, expires_at=_expiry(following)
    ):
        return following
    kept = SignIn.objects.filter(pk=kept.pk).first()
    if kept and kept.previous == shown["jti"] and now - kept.renewed_at < timedelta(seconds=AGAIN_SECONDS):
        following[api_settings.JTI_CLAIM] = kept.current
        return following
    logger.warning("a refresh token was used twice: its sign-in ends", extra={"sign_in": _id_of(shown)})
    end(shown, "a refresh token of this sign-in was used twice")
    raise NotAuthenticated("this token was used before, so that its sign-in has ended: sign in again")


def end(shown: RefreshToken, reason: str) -> None:
    """End the sign-in that the token comes from: none of its tokens is taken any more. It may have ended before.

    Sockets that can't be told (Redis is away) stay open until their access token expires. Raises NotAuthenticated.
    """
    kept = SignIn.objects.filter(pk=_id_of(shown)).first()
    if kept is None:
        return
    kept.delete()
    try:
        disconnect(kept.user_id, reason, sign_in=_id_of(shown))
    except RedisConnectionError as error:
        logger.error("sockets of an ended sign-in stay open until their tokens expire: %s", error)


def forget_expired(now: datetime) -> int:
    return SignIn.objects.filter(expires_at__lt=now).delete()[0]


def password_stands(token: Token, user: User) -> bool:
    """Whether the user's password is still the one that the token was had by."""
    return bool(token.get(api_settings.REVOKE_TOKEN_CLAIM) == get_md5_hash_password(user.password))


def _id_of(token: RefreshToken) -> str:
    identity = identity_of(token)
    if not identity.sign_in:
        raise NotAuthenticated("the token comes from no sign-in: sign in again")
    return identity.sign_in


def _expiry(token: RefreshToken) -> datetime:
    return datetime.fromtimestamp(token["exp"], UTC)
