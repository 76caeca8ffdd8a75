"""Sign-ins to the API. Only the newest refresh token of a sign-in can be used, and a sign-in ends as a whole."""

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
"""How long a used token may be sent again: the answer may have been lost, or two threads of a client may have sent it.
Every such request gets the same successor."""


def sign_in(user: User) -> RefreshToken:
    token = RefreshToken.for_user(user)
    kept = SignIn.objects.create(user=user, current=token["jti"], expires_at=_expiry(token))
    token[SIGN_IN_CLAIM] = str(kept.pk)
    return token


def renew(shown: RefreshToken, now: datetime) -> RefreshToken:
    """Return the successor of a refresh token, with the user's current claims. Raises NotAuthenticated.

    A token that was used before may have been stolen, so its sign-in ends.
    """
    kept = SignIn.objects.select_related("user").filter(pk=_id_of(shown)).first()
    if kept is None:
        raise NotAuthenticated("the sign-in has ended: sign in again")
    if not kept.user.is_active or not password_stands(shown, kept.user):
        raise NotAuthenticated("the account is not active, or its password was changed: sign in again")
    following = RefreshToken.for_user(kept.user)
    following[SIGN_IN_CLAIM] = str(kept.pk)
    # One statement, so that only one of two concurrent requests finds the token current.
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
    """End the sign-in that the token comes from, if it has not ended yet. None of its tokens is accepted afterwards.

    When Redis does not answer, its sockets stay open until their access token expires. Raises NotAuthenticated.
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
    """Return whether the user's password has not changed since the token was issued."""
    return bool(token.get(api_settings.REVOKE_TOKEN_CLAIM) == get_md5_hash_password(user.password))


def _id_of(token: RefreshToken) -> str:
    identity = identity_of(token)
    if not identity.sign_in:
        raise NotAuthenticated("the token comes from no sign-in: sign in again")
    return identity.sign_in


def _expiry(token: RefreshToken) -> datetime:
    return datetime.fromtimestamp(token["exp"], UTC)
