"""Sockets, ticks and live chains."""

from moneyness.core.chain_rules import RECORD_SECONDS

from .environment import at_least, between, env, one_of_numbers
from .web import CORS_ALLOWED_ORIGINS

DEFAULT_EXCHANGE = env.str("DEFAULT_EXCHANGE", "NSE")  # the exchange of a bare symbol such as NIFTY

WEBSOCKET_MAX_CONNECTIONS = env.int("WEBSOCKET_MAX_CONNECTIONS", 10_000, validate=at_least(1))
WEBSOCKET_MAX_CONNECTIONS_PER_USER = env.int("WEBSOCKET_MAX_CONNECTIONS_PER_USER", 100, validate=at_least(1))
WEBSOCKET_HEARTBEAT_INTERVAL = env.float("WEBSOCKET_HEARTBEAT_INTERVAL", 30.0, validate=at_least(0.1))
WEBSOCKET_AUTH_SECONDS = env.float("WEBSOCKET_AUTH_SECONDS", 10.0, validate=at_least(0.1))
WEBSOCKET_TICKET_SECONDS = env.int("WEBSOCKET_TICKET_SECONDS", 30, validate=between(1, 600))
WEBSOCKET_MAX_SUBSCRIPTIONS = env.int("WEBSOCKET_MAX_SUBSCRIPTIONS", 1000, validate=at_least(1))
WEBSOCKET_MAX_PENDING = env.int("WEBSOCKET_MAX_PENDING", 5000, validate=at_least(1))
WEBSOCKET_MAX_FRAME_BYTES = env.int("WEBSOCKET_MAX_FRAME_BYTES", 64 << 10, validate=at_least(256))
WEBSOCKET_MESSAGE_RATE = env.float("WEBSOCKET_MESSAGE_RATE", 50.0, validate=at_least(0.1))
# How often each process says that it lives; its rows are deleted after six times as long. 0: sockets are not listed.
WEBSOCKET_LISTED_SECONDS = env.float("WEBSOCKET_LISTED_SECONDS", 10.0, validate=between(0, 600))
WEBSOCKET_RESUME_LIMIT = env.int("WEBSOCKET_RESUME_LIMIT", 10_000, validate=at_least(0))
# Sockets accept every origin that the HTTP API accepts, and may accept more.
WEBSOCKET_ALLOWED_ORIGINS = [*CORS_ALLOWED_ORIGINS, *env.list("WEBSOCKET_ALLOWED_ORIGINS", [])]

# Live ticks, and the lengths and lifetimes (s) of the keys in Redis; docs/live.md
TICK_GROUP = env.str("TICK_GROUP", "signals")  # of the live market's consumers
TICK_BATCH = env.int("TICK_BATCH", 2000, validate=between(1, 10_000))
TICK_MAX_BYTES = env.int("TICK_MAX_BYTES", 16 << 10, validate=at_least(256))
TICK_MAX_AHEAD_SECONDS = env.float("TICK_MAX_AHEAD_SECONDS", 60.0, validate=at_least(0))
TICK_REFUSE_ZERO = env.bool("TICK_REFUSE_ZERO", True)
TICK_MAX_JUMP = env.float("TICK_MAX_JUMP", 0.5, validate=at_least(0))
TICK_JUMP_SECONDS = env.float("TICK_JUMP_SECONDS", 60.0, validate=at_least(0))
TICK_MAX_LATE_SECONDS = env.float("TICK_MAX_LATE_SECONDS", 86_400.0, validate=at_least(0))
TICK_MAX_EXPIRY_YEARS = env.float("TICK_MAX_EXPIRY_YEARS", 10.0, validate=at_least(0))
TICK_MAX_NEW_CONTRACTS = env.int("TICK_MAX_NEW_CONTRACTS", 1000, validate=at_least(0))
TICK_MAX_DELIVERIES = env.int("TICK_MAX_DELIVERIES", 5, validate=at_least(1))
TICK_LEASE_SECONDS = env.float("TICK_LEASE_SECONDS", 5.0, validate=at_least(0.3))
TICK_QUOTE_SECONDS = env.float("TICK_QUOTE_SECONDS", 1.0, validate=at_least(0))
TICK_BARS = env.bool("TICK_BARS", True)
TICK_KEEP_SECONDS = env.float("TICK_KEEP_SECONDS", 300.0, validate=at_least(0))
TICK_KEEP_ENTRIES = env.int("TICK_KEEP_ENTRIES", 50_000, validate=at_least(1))
TICK_REGISTER_INSTRUMENTS = env.bool("TICK_REGISTER_INSTRUMENTS", True)
TICK_WRITE_BACK = env.bool("TICK_WRITE_BACK", True)
TICK_METRICS_PORT = env.int("TICK_METRICS_PORT", 0, validate=between(0, 65_535))
TICK_METRICS_ADDRESS = env.str("TICK_METRICS_ADDRESS", "127.0.0.1")
CHAIN_BEAT_SECONDS = env.float("CHAIN_BEAT_SECONDS", 0.25, validate=at_least(0.01))
CHAIN_STRIKES = env.int("CHAIN_STRIKES", 10, validate=between(1, 1000))
CHAIN_ANALYTICS_SECONDS = env.float("CHAIN_ANALYTICS_SECONDS", 1.0, validate=at_least(0))  # 0: never
CHAIN_SMILE_SECONDS = env.float("CHAIN_SMILE_SECONDS", 5.0, validate=at_least(0))  # 0: never
MONEYNESS_RECORD_SECONDS = env.int("MONEYNESS_RECORD_SECONDS", 60, validate=one_of_numbers(RECORD_SECONDS))
RAW_TICKS_LENGTH = env.int("RAW_TICKS_LENGTH", 100, validate=at_least(1))
RAW_TICKS_EXPIRY = env.int("RAW_TICKS_EXPIRY", 3600, validate=at_least(1))
COMPUTED_DATA_LENGTH = env.int("COMPUTED_DATA_LENGTH", 1000, validate=at_least(1))
REDIS_CACHE_EXPIRY = env.int("REDIS_CACHE_EXPIRY", 3600, validate=at_least(1))
OUTPUT_STREAM_LENGTH = env.int("OUTPUT_STREAM_LENGTH", 10_000, validate=at_least(1))
OUTPUT_STREAM_BYTES = env.int("OUTPUT_STREAM_BYTES", 32 << 20, validate=at_least(1 << 16))
LATEST_EXPIRY = env.int("LATEST_EXPIRY", 7 * 86_400, validate=at_least(1))
DEAD_LETTER_LENGTH = env.int("DEAD_LETTER_LENGTH", 100_000, validate=at_least(1))
