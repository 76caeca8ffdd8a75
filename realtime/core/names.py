"""Names of the Redis keys and streams that the consumer writes. docs/live.md describes their content."""

from dataclasses import dataclass

from signals.configs.core.document import NONE


@dataclass(frozen=True, slots=True)
class Names:
    """`namespace`: a prefix that keeps the results of back-tests apart; empty for the live market. `group`: that of the
    consumers that write these keys."""

    namespace: str = ""
    group: str = "signals"

    def _name(self, kind: str, what: str) -> str:
        return f"{self.namespace}{kind}:{what}"

    def raw_ticks(self, instrument_key: str) -> str:
        return self._name("raw_ticks", instrument_key)

    def computed_data(self, symbol: str) -> str:
        return self._name("computed_data", symbol)

    def waiting_results(self, underlying: str) -> str:
        """Return the list of results that wait for the consumer."""
        return self._name("computed_results", underlying)

    def ta_results(self, instrument_key: str, interval: str | None, frequency: str | None) -> str:
        return self._name("ta_results", f"{instrument_key}:{interval or NONE}:{frequency or NONE}")

    def output_stream(self, underlying: str) -> str:
        return self._name("signal_output_stream", underlying)

    def latest(self, underlying: str) -> str:
        return self._name("latest", underlying)

    def latest_seq(self, underlying: str) -> str:
        return self._name("latest_seq", underlying)

    def bars_stream(self, underlying: str) -> str:
        return self._name("bars_output_stream", underlying)

    def latest_bars(self, underlying: str) -> str:
        return self._name("latest_bars", underlying)

    def latest_bars_seq(self, underlying: str) -> str:
        return self._name("latest_bars_seq", underlying)

    def chains_stream(self, underlying: str) -> str:
        return self._name("chains_output_stream", underlying)

    def latest_chains(self, underlying: str) -> str:
        return self._name("latest_chains", underlying)

    def latest_chains_seq(self, underlying: str) -> str:
        return self._name("latest_chains_seq", underlying)

    def indicators_stream(self, underlying: str) -> str:
        return self._name("indicators_output_stream", underlying)

    def latest_indicators(self, underlying: str) -> str:
        return self._name("latest_indicators", underlying)

    def latest_indicators_seq(self, underlying: str) -> str:
        return self._name("latest_indicators_seq", underlying)

    def output(self, underlying: str) -> tuple[str, str, str]:
        """Return the stream of an underlying's states, and the hashes of the newest ones and of their entries' IDs."""
        return self.output_stream(underlying), self.latest(underlying), self.latest_seq(underlying)

    def bars_output(self, underlying: str) -> tuple[str, str, str]:
        """Return the same three for the states of its bars."""
        return self.bars_stream(underlying), self.latest_bars(underlying), self.latest_bars_seq(underlying)

    def chains_output(self, underlying: str) -> tuple[str, str, str]:
        """Return the same three for what evaluations say of its chains."""
        return self.chains_stream(underlying), self.latest_chains(underlying), self.latest_chains_seq(underlying)

    def indicators_output(self, underlying: str) -> tuple[str, str, str]:
        """Return the same three for the states of indicators."""
        return (
            self.indicators_stream(underlying),
            self.latest_indicators(underlying),
            self.latest_indicators_seq(underlying),
        )

    @property
    def dead_letters(self) -> str:
        return f"{self.namespace}tick_dead_letter"

    def owner(self, stream: str) -> str:
        """Return the lease of the consumer that owns a tick stream."""
        return f"tick_owner:{self.group}:{stream}"
