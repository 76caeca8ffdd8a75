"""The ASGI application. HTTP passes the gate.

Django answers on threads as a WSGI application, at three times the rate of its ASGI handler. Exports stream through the
ASGI handler. Live reads need neither a thread nor a query, so the event loop answers them.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from signalsite import wsgi  # sets Django up

from batch.exports import stream  # noqa: F401 isort: skip - loads pyarrow now, so that the first export does not wait
from batch.exports.asgi import Exports  # isort: skip
from realtime.process import Lifespan  # isort: skip
from realtime.snapshot.newest import newest_states  # isort: skip
from realtime.sockets.followed import FollowedStates  # isort: skip
from realtime.sockets.shared_hub import the_hub  # isort: skip
from realtime.sockets.routing import websocket  # isort: skip
from signalsite.accounts.authentication import standing  # isort: skip
from signalsite.front.bodies import Bodies  # isort: skip
from signalsite.front.cors import Cors  # isort: skip
from signalsite.front.gate import Gate  # isort: skip
from signalsite.front.live import LiveReads  # isort: skip
from signalsite.front.pages import Pages  # isort: skip
from signalsite.front.rate import RateLimit  # isort: skip
from signalsite.front.rate_counts import exchange  # isort: skip
from signalsite.front.request_ids import RequestIds  # isort: skip
from signalsite.front.standing import Shown, StandingTokens  # isort: skip
from signalsite.front.switched_off import WithoutV2  # isort: skip

django: Any = wsgi.application
pages = Pages(django, threads=settings.WEB_THREADS, queue_seconds=settings.HTTP_QUEUE_SECONDS)
proving = ThreadPoolExecutor(1, thread_name_prefix="standing")  # Django's threads may all be busy


async def prove(tokens: Sequence[Shown]) -> Sequence[bool]:
    return await asyncio.get_running_loop().run_in_executor(proving, standing, tokens)


gate = Gate(
    pages=pages,
    exports=Exports(get_asgi_application()),
    bodies=Bodies(
        seconds=settings.HTTP_BODY_SECONDS,
        rate=settings.HTTP_BODY_RATE,
        places=settings.HTTP_LARGE_BODIES,
        queue_seconds=settings.HTTP_QUEUE_SECONDS,
    ),
    live=LiveReads(
        partial(newest_states, partial(FollowedStates, the_hub)),
        StandingTokens(prove, lambda: the_hub().ended),
        pages.run,
    ),
    rate=RateLimit(settings.API_V2_RATE_LIMIT, exchange, time.time) if settings.API_V2_RATE_LIMIT else None,
)

http = Cors(gate) if settings.CORS_ALLOWED_ORIGINS else gate
routes = ProtocolTypeRouter({"http": http, "websocket": websocket, "lifespan": Lifespan()})
application = RequestIds(routes if settings.API_V2_ENABLED else WithoutV2(routes))
