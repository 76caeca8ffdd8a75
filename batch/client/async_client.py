"""The client for asyncio. What its methods do is in `operations`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import httpx

from .async_driver import AsyncDriver, iterating, returning
from .core.listening import Feed as FeedFlow
from .core.service import Service
from .core.subscriptions import Subscriptions
from .operations import configs, exports, listing, live
from .operations import jobs as batch
from .transport import checked_address, credentials_of, socket_url

if TYPE_CHECKING:
    from .async_feed import AsyncFeed


class AsyncClient:
    """A connection to one service, for one user, on one event loop. Its methods are those of Client.

    `address`: scheme, host and, behind a proxy, path prefix of the service. Sign in with `username` and `password`, or
    with a `token` (or a function, asynchronous or not, that returns one). `timeout`: seconds to connect, and between
    bytes. `transport`: one of httpx's, such as ASGITransport to call an application in this process.
    All methods raise ApiError where the service refuses and ServiceUnreachable where it does not answer. Both come only
    after further attempts, with growing pauses, where these can help.
    """

    def __init__(
        self,
        address: str,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | Callable[[], str | Awaitable[str]] | None = None,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._address, self._timeout = checked_address(address), timeout
        self._service = Service(credentials_of(username, password, token))
        self._http = httpx.AsyncClient(base_url=self._address, timeout=timeout, transport=transport)
        self._driver = AsyncDriver(self._http)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    submit = returning(batch.submit)
    estimate = returning(batch.estimate)
    answer = returning(batch.answer)
    greeks = returning(batch.greeks)
    job = returning(batch.job)
    jobs = iterating(batch.jobs)
    wait = returning(batch.wait)
    results = iterating(batch.results)
    results_page = returning(batch.results_page)
    receipt = returning(batch.receipt)
    cancel = returning(batch.cancel)
    retry = returning(batch.retry)
    statistics = returning(batch.statistics)

    stream = iterating(exports.stream)
    iter_bytes = iterating(exports.iter_bytes)
    iter_batches = iterating(exports.iter_batches)
    to_arrow = returning(exports.to_arrow)
    to_pandas = returning(exports.to_pandas)
    to_polars = returning(exports.to_polars)
    export = returning(exports.export)

    config_results = iterating(configs.config_results)
    config_results_bytes = iterating(configs.config_results_bytes)
    config_results_to_arrow = returning(configs.config_results_to_arrow)
    export_config_results = returning(configs.export_config_results)

    underlyings = iterating(listing.underlyings)
    expiries = returning(listing.expiries)
    instruments = iterating(listing.instruments)
    instrument = returning(listing.instrument)
    instrument_greeks = returning(listing.instrument_greeks)

    live_greeks = returning(live.live_greeks)
    live_greeks_many = returning(live.live_greeks_many)
    live_chain = returning(live.live_chain)

    def feed(
        self,
        *topics: str,
        cadence: str = "raw",
        resume_from: str | Mapping[str, str] | None = None,
        ticket: bool = False,
        give_up_after: float | None = 300.0,
    ) -> "AsyncFeed":
        """Return a feed of live states, over a socket. Use it in `async with`, and iterate.

        `cadence`: raw, 100ms or 1s. `resume_from`: see `AsyncFeed.subscribe`. `ticket`: connect with a ticket in the
        address, where a proxy removes subprotocols. `give_up_after`: seconds without a connection, after which
        ServiceUnreachable is raised; None: never.
        """
        from .async_feed import AsyncFeed

        subscriptions = Subscriptions()
        subscriptions.add(topics, cadence=cadence, resume_from=resume_from)
        flow = FeedFlow(self._service, subscriptions, ticket=ticket, give_up_after=give_up_after)
        return AsyncFeed(flow, subscriptions, self._driver, socket_url(self._address), self._timeout)
