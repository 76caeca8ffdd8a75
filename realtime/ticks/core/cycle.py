"""One micro-batch: ticks in, ticks to store and states to publish out. Pure: no clock, no I/O.

The steps:

1. `Cycle.decode` turns stream entries into ticks and dead letters (`decoding`). The caller then looks up the contracts
   that are new (`realtime.ticks.contracts`), and passes the ticks to `Cycle.handle`.
2. Mark suspect ticks (`sanity`). They are stored, but take no part in the steps 3 to 7.
3. Apply the other ticks to the book (`applied_ticks`).
4. Choose the chains that are due: their underlying has moved, and the interval since their last repricing is over.
5. Price in one call: the options among the ticks, and the other live options of the chains that are due (`pricing`).
6. Run further computations on the same rows (`computations`), and the configurations of the ticks' instruments
   (`configured`).
7. Build the states to publish: of each tick, each repriced option and each repriced chain (`built_states`).
8. Evaluate the chains that are due for it: levels, volatilities, analytics (`chain_beat`). With a clock's time the
   caller runs this step apart, since it measures it (`realtime.ticks.chain_evaluations`).

If a step from 5 to 7 raises, the ticks are handled without chains, and then each chain alone: a chain at fault costs
only itself, and a tick at fault makes `handle` raise.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import add

from realtime.core.states import priced_at
from realtime.ticks.core.applied_ticks import AppliedTicks, apply_ticks
from realtime.ticks.core.book import Book, UnderlyingBook
from realtime.ticks.core.built_states import add_configured, add_repriced_states, add_tick_states, build_chain_states
from realtime.ticks.core.chain_beat import ChainBeat
from realtime.ticks.core.computations import Computation, run_computations
from realtime.ticks.core.configured import ConfiguredCycle, ConfiguredTicks
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.decoding import Decoded, Decoder, Entry
from realtime.ticks.core.pricing import PricedOptions, price_due
from realtime.ticks.core.sanity import Sanity
from realtime.ticks.core.tick import Tick, marked
from signals.greeks.core.conventions import GreeksParams


class Cycle:
    """`reprice_interval`: seconds between repricings of a chain whose underlying moves. `window`: strikes on each side
    of the money in a chain's states. `sanity`: which ticks are suspect. `computations`: run beside the Greeks.
    `beat`: the evaluation of chains, `configured`: configurations that run with ticks; None for none."""

    def __init__(
        self,
        book: Book,
        params: GreeksParams,
        *,
        reprice_interval: float,
        window: int,
        max_bytes: int,
        sanity: Sanity,
        computations: Mapping[str, Computation],
        beat: ChainBeat | None = None,
        configured: ConfiguredCycle | None = None,
    ) -> None:
        self.book = book
        self.configured = configured
        self.beat = beat
        self.params = params
        self.reprice_interval = reprice_interval
        self.window = window
        self.sanity = sanity
        self.computations = computations
        self.decoder = Decoder(sanity, max_bytes)
        self._repriced_at: dict[str, float] = {}  # by underlying

    def decode(self, entries: Sequence[Entry], latest: float) -> Decoded:
        return self.decoder.decode(entries, latest)

    def handle(
        self,
        ticks: Sequence[Tick],
        now: float | None,
        *,
        chains: bool = True,
        between: Callable[[CycleResult], None] = lambda _: None,
    ) -> CycleResult:
        """Apply the ticks to the book, price what is due, and return what is to be stored and published.

        `now`: seconds since 1970. With None, each tick's own time is now: the ticks are handled one instant after the
        other, so that none sees a later one. `chains`: reprice the chains that are due; otherwise they stay due. With
        the ticks' own times they are always repriced, and `between` is called often, with the result so far: there may
        be much to compute.

        Raises what a tick raises. The result's failures name the chains that could not be repriced.
        """
        result = CycleResult()
        if now is not None:
            self._handle_instant(ticks, self.sanity.sift(ticks, self.book, now), now, result, chains=chains)
            return result
        begin = 0
        for end in range(1, len(ticks) + 1):
            if end == len(ticks) or ticks[end].seconds != ticks[begin].seconds:
                some = ticks[begin:end]
                self._run_due(some, result, between, inclusive=False)
                self._handle_instant(some, self.sanity.sift(some, self.book, None), some[0].seconds, result)
                if self.beat:
                    self.beat.evaluate(self.beat.choose(some[0].seconds), some[0].seconds, result)
                self._run_due(some, result, between, inclusive=True)
                between(result)
                begin = end
        return result

    def _run_due(
        self, ticks: Sequence[Tick], result: CycleResult, between: Callable[[CycleResult], None], *, inclusive: bool
    ) -> None:
        """Run the configurations that are due by the time of these ticks."""
        if self.configured is None or not self.configured.due:
            return
        underlyings = {tick.contract.underlying for tick in ticks}
        runs = self.configured.run_due(ticks[0].seconds, underlyings, inclusive=inclusive)
        while True:
            try:
                found = next(runs, None)
            except Exception as error:  # noqa: BLE001 - a fault of configurations costs no tick
                result.failures.append(("configurations", error))
                return
            if found is None:
                return
            add_configured(result, found)
            between(result)

    def observe(self, ticks: Sequence[Tick], now: float | None) -> None:
        """Apply ticks that another consumer stores and publishes: those of a volatility index.

        The other consumer also reprices the index's own chain, if there is one.
        """
        if believed := self.sanity.sift(ticks, self.book, now):
            apply_ticks(self.book, believed)
            for underlying in {tick.contract.underlying for tick in believed}:
                self.book.underlyings[underlying].moved = self.book.underlyings[underlying].ticked = False

    def due_in(self, now: float) -> float:
        """Return the seconds until the next chain is due for repricing: 0 if one is due, infinity if none has moved."""
        moved = (chain for chain in self.book.underlyings.values() if chain.moved)
        return min((self._wait(chain, now) for chain in moved), default=math.inf)

    def _wait(self, chain: UnderlyingBook, now: float) -> float:
        """Return the seconds until the chain is due. After the clock was set back it is due at once."""
        passed = now - self._repriced_at.get(chain.underlying, -math.inf)
        return self.reprice_interval - passed if 0 <= passed < self.reprice_interval else 0.0

    def _handle_instant(
        self, ticks: Sequence[Tick], believed: Sequence[Tick], now: float, result: CycleResult, *, chains: bool = True
    ) -> None:
        """Run the steps from 3 on for ticks of one instant, of which `believed` are not suspect."""
        applied = apply_ticks(self.book, believed)
        due = self._choose_due(now) if chains else []
        try:
            self._price_and_build(applied, due, now, result)
        except Exception:  # a tick's fault or a chain's: without chains to separate, it is raised
            if not due:
                raise
            self._price_and_build_apart(applied, due, now, result)
        result.ticks += ticks
        result.applied.append(applied)
        raw = result.raw
        for tick in ticks:
            raw[tick.contract.text].append(marked(tick.raw, tick.suspect) if tick.suspect else tick.raw)

    def _choose_due(self, now: float) -> list[UnderlyingBook]:
        due = [chain for chain in self.book.underlyings.values() if chain.moved and not self._wait(chain, now)]
        for chain in due:
            self._repriced_at[chain.underlying] = now
            chain.moved = False
        return due

    def _price_and_build(
        self, applied: AppliedTicks, due: Sequence[UnderlyingBook], now: float, result: CycleResult
    ) -> None:
        """Run the steps 5 to 7. If one raises, the result is unchanged."""
        book, moment = self.book, datetime.fromtimestamp(now, UTC).isoformat()
        priced = price_due(book, applied, due, now, self.params)
        chains = build_chain_states(book, priced, moment, window=self.window)
        members, failures = run_computations(self.computations, book, applied, priced.repriced, now)
        configured = self._configure(applied, priced, now)
        # Nothing raises from here on.
        result.failures += failures
        if configured is not None:
            add_configured(result, configured)
            members[: len(applied.ticks)] = map(add, members, configured.members)
        result.priced += len(priced.answers)
        priced_here = priced_at(moment)
        add_tick_states(result, applied, priced, priced_here, members)
        add_repriced_states(result, book, priced, priced_here, members[len(applied.ticks) :])
        for underlying, topics in chains:
            result.topics[underlying].update(topics)

    def _configure(self, applied: AppliedTicks, priced: PricedOptions, now: float) -> ConfiguredTicks | None:
        if self.configured is None or not applied.ticks:
            return None
        try:
            return self.configured.run(applied, priced, now)
        except Exception as error:  # noqa: BLE001 - a fault of configurations costs no tick
            return ConfiguredTicks([b""] * len(applied.ticks), failures=[("configurations", error)])

    def _price_and_build_apart(
        self, applied: AppliedTicks, due: Sequence[UnderlyingBook], now: float, result: CycleResult
    ) -> None:
        try:
            self._price_and_build(applied, (), now, result)
        except Exception:  # a tick's fault: the chains become due again before it is raised
            for chain in due:
                chain.moved = True
            raise
        for chain in due:
            try:
                self._price_and_build(applied.none(), (chain,), now, result)
            except Exception as error:  # noqa: BLE001 - any fault here is this chain's alone
                result.failures.append((f"repricing of {chain.underlying}", error))
