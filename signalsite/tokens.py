"""Refreshing a token, which must not outlive the password that it was had by."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.serializers import TokenRefreshSerializer
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.utils import get_md5_hash_password


class RefreshSerializer(TokenRefreshSerializer):
    """The library's own looks only at whether the account is active, also with CHECK_REVOKE_TOKEN."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        refresh = self.token_class(attrs["refresh"])
        user = User.objects.filter(pk=str(refresh.payload.get(api_settings.USER_ID_CLAIM, 0))).first()
        if user is None or refresh.payload.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
            raise InvalidToken("the account is gone, or its password was changed since: log in again")
        return super().validate(attrs)
