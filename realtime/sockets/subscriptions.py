"""Handle subscribe and unsubscribe requests: check each topic, answer, and send from where the client wants."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import msgspec
from django.conf import settings
from django.db import DatabaseError
from redis.exceptions import RedisError

from realtime.core.topic_grammar import UnknownTopic
from realtime.sockets import topics
from realtime.sockets.core.frames import Frame
from realtime.sockets.core.messages import Subscribe, Unsubscribe
from realtime.sockets.core.protocol import Ack, Code, Error, Gap, Item, refused
from realtime.sockets.hub import Hub, TooManyStreams
from realtime.sockets.resume import Wanted, catch_up
from realtime.sockets.session import Session
from realtime.sockets.topics import Feed, Forbidden, Reader, UnknownChannel

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    topic: str
    feed: Feed
    current: bytes | None  # a state from elsewhere, if the stream holds none


async def subscribe(hub: Hub, session: Session, reader: Reader, message: Subscribe) -> None:
    """Reply with one outcome a topic, then send the first states of each subscription."""
    try:
        names = _topics(message)
    except UnknownChannel as error:
        session.reply(Error(message.id, Code.UNKNOWN_CHANNEL, str(error)))
        return
    except UnknownTopic as error:
        session.reply(Error(message.id, Code.UNKNOWN_TOPIC, str(error)))
        return
    async with AsyncExitStack() as streams:
        outcomes: dict[str, Item] = {}
        accepted: list[Accepted] = []
        new = len(session.subscriptions)
        for name in dict.fromkeys(names):
            new += name not in session.subscriptions
            if new > settings.WEBSOCKET_MAX_SUBSCRIPTIONS:
                detail = f"a socket has at most {settings.WEBSOCKET_MAX_SUBSCRIPTIONS} subscriptions"
                outcome: Item | Accepted = refused(name, Code.TOO_MANY_SUBSCRIPTIONS, detail)
            else:
                outcome = await _accept(hub, reader, name, streams)
            if isinstance(outcome, Item):
                new -= name not in session.subscriptions
                outcomes[name] = outcome
            else:
                accepted.append(outcome)
                outcomes[name] = Item(topic=name, ok=True, cadence=message.cadence)
        session.reply(Ack(message.id, "subscribe", [outcomes[name] for name in names]))
        await _begin(hub, session, message, accepted)


def unsubscribe(hub: Hub, session: Session, message: Unsubscribe) -> None:
    try:
        names = _topics(message)
    except (UnknownChannel, UnknownTopic) as error:
        session.reply(Error(message.id, Code.UNKNOWN_TOPIC, str(error)))
        return
    outcomes = {
        name: Item(topic=name, ok=True)
        if hub.detach(session, name)
        else refused(name, Code.NOT_SUBSCRIBED, "there was no such subscription")
        for name in dict.fromkeys(names)
    }
    session.forget_unwanted()  # the reply overtakes waiting states: none may follow it
    session.reply(Ack(message.id, "unsubscribe", [outcomes[name] for name in names]))


def _topics(message: Subscribe | Unsubscribe) -> Sequence[str]:
    """Return a topic for each name in the message, so that a client can match outcomes with what it asked for.

    Two names of one topic give it twice.
    """
    if message.channel:
        return [topics.topic_of(message.channel, message.instrument_key, message.params)]
    return [topics.completed(name) for name in dict.fromkeys(message.topics)]


def _with_whole_names(message: Subscribe) -> Subscribe:
    """Name each topic of `resume_from` by its one name."""
    if not isinstance(message.resume_from, dict):
        return message
    points = {topics.completed(name): since for name, since in message.resume_from.items()}
    return msgspec.structs.replace(message, resume_from=points)


async def _accept(hub: Hub, reader: Reader, name: str, streams: AsyncExitStack) -> Accepted | Item:
    topic_type = topics.type_of(name)
    try:
        feed = topic_type.locate(name)
        await topic_type.authorise(reader, name)
        stream = await streams.enter_async_context(hub.reading(feed))
        known = feed.wildcard or ((found := stream.topics.get(name.encode())) is not None and found.frame is not None)
        return Accepted(name, feed, None if known else await topic_type.current(name))
    except UnknownTopic as error:
        return refused(name, Code.UNKNOWN_TOPIC, str(error))
    except Forbidden as error:
        return refused(name, Code.FORBIDDEN, str(error))
    except TooManyStreams as error:
        return refused(name, Code.TOO_MANY_SUBSCRIPTIONS, str(error))
    except (RedisError, OSError, DatabaseError) as error:
        logger.warning("a subscription could not be served: %s", error)
        return refused(name, Code.UNAVAILABLE, "storage does not answer, try again")


async def _begin(hub: Hub, session: Session, message: Subscribe, accepted: list[Accepted]) -> None:
    resuming: defaultdict[tuple[str, str], list[Accepted]] = defaultdict(list)
    message = _with_whole_names(message)
    for each in accepted:
        since = message.resume_point(each.topic)
        if since is not None:
            resuming[each.feed.stream, since].append(each)
            continue
        hub.attach(session, each.topic, each.feed, message.cadence)
        if not each.feed.wildcard and hub.streams[each.feed.stream].topic(each.topic.encode()).frame is None:
            session.put_snapshot(Frame(each.topic, None, None, each.current))
        await session.settled()
    for (stream, since), group in resuming.items():
        hub.detach_all(session, [each.topic for each in group])
        session.forget_unwanted()  # everything after `since` is sent again
        reason = await catch_up(hub, session, hub.streams[stream], since, [Wanted(g.topic, g.feed) for g in group])
        for each in group:
            if reason is not None:
                session.reply(Gap(each.topic, reason, since))
            hub.attach(session, each.topic, each.feed, message.cadence, snapshot=reason is not None)
