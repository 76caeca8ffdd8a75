"""The consumer of configurations on its own servers: send messages, and read what it kept."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from tests.integration.consume.live import Live
from tests.integration.processes import until

NIFTY, BANKNIFTY = "NSE@NIFTY@equity_spot", "NSE@BANKNIFTY@equity_spot"
STREAM, GROUP = "signal_config_updates", "signals"


class Feed(Live):
    command = "consume_configs"

    def __init__(self, state: Path, log: Path) -> None:
        super().__init__(state, log)
        self.environment |= {"CONFIG_LEASE_SECONDS": "2", "CONFIG_METRICS_PORT": "0"}

    def empty(self) -> None:
        self.redis.flushall()
        self.execute(
            "TRUNCATE signal_configurations, signal_configuration_changes, signal_config_stream_positions CASCADE"
        )

    def begin_anew(self) -> None:
        """Remove all configurations and what was written of them, while a consumer runs."""
        self.execute("TRUNCATE signal_configurations CASCADE")
        self.redis.delete("config_dead_letter", *self.shown())

    def send(self, document: Any, action: str = "update", **more: str) -> str:
        text = document if isinstance(document, str) else orjson.dumps(document).decode()
        return self.redis.xadd(STREAM, {"config_json": text, "action": action, **more})

    def send_all(self, documents: list[Any], action: str = "update") -> None:
        with self.redis.pipeline(transaction=False) as pipeline:
            for document in documents:
                pipeline.xadd(STREAM, {"config_json": orjson.dumps(document), "action": action})
            pipeline.execute()

    def unacknowledged(self) -> int:
        groups = {row["name"]: row for row in self.redis.xinfo_groups(STREAM)} if self.redis.exists(STREAM) else {}
        row = groups.get(GROUP)
        return row["pending"] + (row["lag"] or 0) if row else self.redis.xlen(STREAM)

    def settle(self, seconds: float = 30) -> None:
        """Wait until every message is acknowledged and every change is in Redis."""
        try:
            until(lambda: self.unacknowledged() == 0 and self.unapplied() == 0, seconds, "settled")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()[-3000:]}") from None

    def unapplied(self) -> int:
        return self.rows("SELECT count(*) FROM signal_configuration_changes WHERE applied_at IS NULL")[0][0]

    def kept(self) -> dict[str, dict[str, Any]]:
        return dict(self.rows("SELECT name, document FROM signal_configurations"))

    def shown(self) -> dict[str, Any]:
        found = sorted(self.redis.scan_iter("config:*", count=1000))
        return {
            key: orjson.loads(text) for key, text in zip(found, self.redis.mget(found) if found else [], strict=True)
        }

    def dead(self) -> Counter:
        return Counter(fields["reason"] for _, fields in self.redis.xrange("config_dead_letter"))

    def letters(self) -> list[dict[str, str]]:
        return [fields for _, fields in self.redis.xrange("config_dead_letter")]


def configuration(name: str = "one", *instruments: str, **more: Any) -> dict[str, Any]:
    given = {"name": name, "instruments": list(instruments or (NIFTY,)), "interval": "5m", "frequency": "bar"}
    return {**given, "indicators": ["rsi(length=9)"], **more}


def asking(document: dict[str, Any]) -> str:
    """The key of a configuration's first instrument."""
    return f"config:{document['instruments'][0]}-{document['interval']}-{document['frequency']}"
