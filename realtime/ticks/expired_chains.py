"""Remove the newest states of chains whose expiry is over: their hashes live as long as their underlying ticks."""

from datetime import UTC, date, datetime

from realtime.consumer_groups import Redis
from realtime.core.names import Names
from realtime.core.topic_grammar import expiry_of
from timeframes.core.keys import parse_key
from timeframes.core.sessions import local_date

MOST = 2_000
"""Topics that are removed at once; the others go with the next call."""


def over(topic: str, today: date) -> bool:
    """Return whether the topic of an evaluation names an expiry before `today`."""
    expiry = expiry_of(topic)
    return expiry is not None and expiry < today


def remove_expired_chains(client: Redis, names: Names, underlying: str, now: float) -> int:
    """Remove states of expiries before today, at the exchange, and return how many.

    Once no expiry is left, what names none (that of the nearest, the term structure) goes too. Call it as the owner of
    the underlying's stream, while nothing is being written.
    """
    _, latest, latest_seq = names.chains_output(underlying)
    topics = client.hkeys(latest)
    if not topics:  # nor may the exchange be known
        return 0
    today = local_date(parse_key(underlying).exchange, datetime.fromtimestamp(now, UTC))
    expired = [topic for topic in topics if over(topic, today)]
    if expired and not any(expiry_of(topic) for topic in set(topics).difference(expired)):
        expired = topics
    expired = expired[:MOST]
    if expired:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.hdel(latest, *expired)
            pipeline.hdel(latest_seq, *expired)
            pipeline.execute()
    return len(expired)
