"""Bearer tokens: taken when first needed, renewed when the service no longer takes them."""

from collections.abc import Callable, Generator
from typing import Any

import httpx

from batch.client.errors import ApiError

Flow = Generator[httpx.Request, httpx.Response, None]


class BearerToken(httpx.Auth):
    """A token of the caller's; a callable is asked again when its token has run out."""

    def __init__(self, token: str | Callable[[], str]) -> None:
        self._source = token
        self._token = token if isinstance(token, str) else token()

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        response = yield _signed(request, self._token)
        if response.status_code == 401 and not isinstance(self._source, str):
            self._token = self._source()
            yield _signed(request, self._token)


class PasswordTokens(httpx.Auth):
    """Tokens for a name and a password: the access token is refreshed, and taken anew when that can't be."""

    def __init__(self, address: httpx.URL, username: str, password: str) -> None:
        self._address = address
        self._credentials = {"username": username, "password": password}
        self._access = self._refresh = ""

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        if not self._access:
            yield from self._sign_in()
        used = self._access
        response = yield _signed(request, used)
        if response.status_code == 401:
            if self._access == used:  # else another thread has renewed it meanwhile
                yield from self._renew()
            yield _signed(request, self._access)

    def _renew(self) -> Flow:
        response = yield self._request("/api/token/refresh", {"refresh": self._refresh})
        if response.is_success:
            self._keep(response)
        else:
            yield from self._sign_in()

    def _sign_in(self) -> Flow:
        response = yield self._request("/api/token", self._credentials)
        if not response.is_success:
            response.read()
            raise ApiError.of(response)
        self._keep(response)

    def _keep(self, response: httpx.Response) -> None:
        response.read()
        tokens: dict[str, Any] = response.json()
        self._access, self._refresh = tokens["access"], tokens.get("refresh", self._refresh)

    def _request(self, path: str, body: dict[str, str]) -> httpx.Request:
        url = self._address.copy_with(path=self._address.path.rstrip("/") + path)
        return httpx.Request("POST", url, json=body)


def _signed(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
