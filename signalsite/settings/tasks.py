"""Celery: the broker, the workers and beat's schedule."""

import os
import socket

from .configs import CONFIG_BEAT_SECONDS
from .environment import DEVELOPMENT, between, env
from .storage import REDIS_URL

WORKERS = env.int("WORKERS", os.cpu_count() or 1, validate=between(1, 512))
BACKGROUND_NICE = env.int("BACKGROUND_NICE", 5, validate=between(0, 19))
STALL_SECONDS = env.float("STALL_SECONDS", 20.0, validate=between(1, 300))
HEARTBEAT_FILE = env.str("HEARTBEAT_FILE", "")  # set by `manage.py up` and docker-compose.yml
FLOWER_URL = env.str("FLOWER_URL", "http://127.0.0.1:5555" if DEVELOPMENT else "").rstrip("/")

# A chunk takes well under a second. A task that takes a minute has hung.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,  # above the time limit, or a task would run twice
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 1,  # a request that enqueues may wait for it three times, and must be answered within 5 s
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "socket_keepalive_options": {
        socket.TCP_KEEPIDLE: 10,
        socket.TCP_KEEPINTVL: 5,
        socket.TCP_KEEPCNT: 3,
        socket.TCP_USER_TIMEOUT: 20_000,
    },
    "health_check_interval": 5,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0}  # one retry, for a stale connection
CELERY_TASK_DEFAULT_QUEUE = "celery"
# Workers alternate between all queues, so that none waits for a long one. A further process serves `urgent` alone, so
# that what is there is on time while all workers are in slow functions: only what takes moments may be there.
CELERY_URGENT_QUEUE = "urgent"
CELERY_SLOW_QUEUE = "slow"  # what may take a worker for seconds, and need not wait for the chunks of jobs
CELERY_TASK_QUEUES = {
    name: {"exchange": CELERY_TASK_DEFAULT_QUEUE, "routing_key": name}
    for name in (CELERY_TASK_DEFAULT_QUEUE, CELERY_URGENT_QUEUE, CELERY_SLOW_QUEUE)
}
CELERY_TASK_ROUTES = {
    "batch.requeue_stalled": {"queue": CELERY_URGENT_QUEUE},
    "batch.start_configs": {"queue": CELERY_URGENT_QUEUE},
    "batch.run_configs": {"queue": CELERY_URGENT_QUEUE},
    "batch.sweep_configs": {"queue": CELERY_URGENT_QUEUE},
    "batch.take_turn": {"queue": CELERY_SLOW_QUEUE},
    "batch.compute_on_ticks": {"queue": CELERY_SLOW_QUEUE},
}
CELERY_TASK_IGNORE_RESULT = True  # the state of a job is its rows in PostgreSQL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_LOST_WAIT = 1.0  # seconds to wait for the messages of a killed process
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = WORKERS
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_DB_REUSE_MAX = 1000  # without it a worker reconnects for each task: 170 tasks/s instead of 1,200
CELERY_IMPORTS = ("batch.configs.tasks",)  # of a room; those of apps are found
CELERY_BEAT_SCHEDULER = "signalsite.scheduler:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1  # seconds between checks for SIGTERM, and between heartbeats
CELERY_BEAT_SCHEDULE = {
    "requeue-stalled": {"task": "batch.requeue_stalled", "schedule": 5.0, "options": {"expires": 5}},
    "start-configs": {
        "task": "batch.start_configs",
        "schedule": CONFIG_BEAT_SECONDS,
        "options": {"expires": max(2.0, 2 * CONFIG_BEAT_SECONDS)},
    },
    "sweep-configs": {"task": "batch.sweep_configs", "schedule": 5.0, "options": {"expires": 5}},
    "expire": {"task": "batch.expire", "schedule": 60.0, "options": {"expires": 60}},
    "expire-config-runs": {"task": "batch.expire_config_runs", "schedule": 60.0, "options": {"expires": 60}},
    "expire-series": {"task": "timeframes.expire", "schedule": 3600.0, "options": {"expires": 3600}},
    "warm-bars": {"task": "timeframes.warm_bars", "schedule": 60.0, "options": {"expires": 60}},
    "forget-bar-changes": {"task": "timeframes.forget_bar_changes", "schedule": 300.0, "options": {"expires": 300}},
    "forget-expired-sign-ins": {
        "task": "signalsite.forget_expired_sign_ins",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "forget-old-usage": {"task": "signalsite.forget_old_usage", "schedule": 3600.0, "options": {"expires": 3600}},
    "forget-function-runs": {
        "task": "signals.forget_function_runs",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "forget-dead-sockets": {"task": "realtime.forget_dead_sockets", "schedule": 60.0, "options": {"expires": 60}},
}
