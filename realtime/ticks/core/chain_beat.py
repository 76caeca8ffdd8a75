"""The live evaluation of chains: when each is due, and what it publishes and has kept. Pure: no clock, no I/O.

A chain is due when one of its instruments has ticked and its interval is over, and once more when its smile has not
been published since. All that are due are evaluated in one call; if that raises, each alone, so that a chain at fault
costs only itself.
"""

import math
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np

from moneyness.core.all_levels import level_states
from moneyness.core.chain_params import ChainParams
from moneyness.core.chain_rules import ChainRules
from moneyness.core.chain_states import analytics_state, atm_state, smile_state, term_state
from moneyness.core.evaluate_chain import evaluate_chain
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.priced import PricedChains
from moneyness.core.records import chain_records
from moneyness.core.told import Told, tell
from realtime.core.states import encode
from realtime.core.topic_grammar import analytics_topic, atm_topic, level_topic, smile_topic, term_topic
from realtime.ticks.core.book import Book, UnderlyingBook
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.due_chains import DueChains
from realtime.ticks.core.live_chains import price_live
from signals.greeks.core.conventions import GreeksParams

LONGEST_REST = 60.0  # after the clock was set back
SHARE = 0.1
"""Evaluations take at most this share of the time: beyond it they come less often."""


class ChainBeat:
    """The beat of all chains of a book.

    `interval`: seconds between evaluations of a chain that ticks, 0 for none. `smile_interval`: seconds between states
    of its smiles, 0 for none: then no smile is fitted. Otherwise each evaluation fits them, since the skew is read from
    the fit: from it at one moment and from the chain at the next, it would flicker. `rules`: by underlying; those of
    the others are `defaults`. `records`: have rows kept.
    """

    def __init__(
        self,
        book: Book,
        params: GreeksParams,
        *,
        interval: float,
        smile_interval: float,
        defaults: ChainRules,
        records: bool,
    ) -> None:
        self.book = book
        self.params = params
        self.interval = interval
        self.smile_interval = smile_interval
        self.defaults = defaults
        self.records = records
        self.rules: dict[str, ChainRules] = {}
        self._due = DueChains(book, interval=interval, smile_interval=smile_interval)
        self._recorded: dict[str, int] = {}  # the newest interval of which rows were made
        self._atm: dict[tuple[str, str], float] = {}  # the ATM strike by underlying and expiry
        self._rest_until = -math.inf

    def due_in(self, now: float) -> float:
        """Return the seconds until the next chain is due: 0 if one is due, infinity if none has ticked."""
        if not self.interval:
            return math.inf
        wait = self._due.due_in(now)
        rest = self._rest_until - now
        return max(wait, rest) if 0 < rest < LONGEST_REST else wait

    def rest(self, now: float, seconds: float) -> None:
        """Count an evaluation that has taken so many seconds until now."""
        self._rest_until = now + seconds * (1.0 / SHARE - 1.0)

    def hold(self, atm_strikes: Mapping[tuple[str, str], float]) -> None:
        """Take ATM strikes that an earlier consumer left, by underlying and expiry."""
        for key, strike in atm_strikes.items():
            self._atm.setdefault(key, strike)

    def forget(self, underlying: str) -> None:
        self._due.forget(underlying)
        self._recorded.pop(underlying, None)
        for key in [key for key in self._atm if key[0] == underlying]:
            del self._atm[key]

    def record_again(self) -> None:
        """Make the rows of the present intervals once more: those that were made may not have been stored."""
        self._recorded.clear()

    def choose(self, now: float, most: float = math.inf) -> list[UnderlyingBook]:
        """Return the chains that are due, and start their next intervals.

        `most`: options of all of them, so that ticks do not wait long; those that have waited longest come first, and
        one at least.
        """
        if not self.interval:
            return []
        due = self._due.take(now)
        options = 0
        for place, chain in enumerate(due):
            options += len(chain.option_rows)
            if place and options > most:
                self._due.put_back([each.underlying for each in due[place:]], now)
                del due[place:]
                break
        for chain in due:
            self._due.evaluated_at[chain.underlying] = now
            chain.ticked = False
            self._due.unsmiled.discard(chain.underlying)
        return due

    def evaluate(self, due: Sequence[UnderlyingBook], now: float, result: CycleResult) -> None:
        """Evaluate chains, and add their states, their rows and what failed to the result."""
        alike: defaultdict[ChainParams, list[UnderlyingBook]] = defaultdict(list)
        for chain in due:
            alike[replace(self._rules(chain).params, fit=self.smile_interval > 0)].append(chain)
        for params, chains in alike.items():
            try:
                self._evaluate(chains, params, now, result)
            except Exception as error:  # noqa: BLE001 - a chain's fault, found below
                if len(chains) == 1:
                    result.failures.append((f"evaluation of {chains[0].underlying}", error))
                else:
                    self._evaluate_apart(chains, params, now, result)

    def _evaluate_apart(
        self, chains: Iterable[UnderlyingBook], params: ChainParams, now: float, result: CycleResult
    ) -> None:
        for chain in chains:
            try:
                self._evaluate((chain,), params, now, result)
            except Exception as error:  # noqa: BLE001 - any fault here is this chain's alone
                result.failures.append((f"evaluation of {chain.underlying}", error))

    def _evaluate(self, chains: Sequence[UnderlyingBook], params: ChainParams, now: float, result: CycleResult) -> None:
        """Evaluate chains with equal parameters in one call. If it raises, nothing has changed."""
        priced = price_live(self.book, chains, now, self.params)
        if priced is None:
            return
        keys = _group_keys(priced)
        before = np.array([self._atm.get(key, math.nan) for key in keys], np.float64)
        found = evaluate_chain(priced, params, before)
        told = tell(found)
        smiles = {chain.underlying for chain in chains if self._smiles(chain, now)}
        states = dict(_states(found, told, smiles))
        due = self._to_record(priced.underlyings.key, now)
        records = chain_records(found, told, {place: time for place, (_, time) in due.items()})
        # Nothing raises from here on.
        for (underlying, topic), state in states.items():
            result.topics[underlying][topic] = state
        result.records.add(records)
        result.evaluated += len(chains)
        for key, strike in zip(keys, found.money.atm_strike.tolist(), strict=True):
            if strike == strike:
                self._atm[key] = strike
        for place, (number, _) in due.items():
            self._recorded[priced.underlyings.key[place]] = number
        self._due.smiled_at.update(dict.fromkeys(smiles, now))
        if params.fit:
            later = {chain.underlying for chain in chains} - smiles
            self._due.unsmiled |= later
            self._due.put_back(later, now)

    def _to_record(self, underlyings: Sequence[str], now: float) -> dict[int, tuple[int, datetime]]:
        """Return those, by place, of whose present interval nothing is kept yet: its number and its beginning."""
        due = {}
        for place, underlying in enumerate(underlyings):
            every = self.rules.get(underlying, self.defaults).record_seconds
            if every and self.records and self._recorded.get(underlying) != (number := int(now // every)):
                due[place] = number, datetime.fromtimestamp(number * every, UTC)
        return due

    def _rules(self, chain: UnderlyingBook) -> ChainRules:
        return self.rules.get(chain.underlying, self.defaults)

    def _smiles(self, chain: UnderlyingBook, now: float) -> bool:
        return self.smile_interval > 0 and self._due.smiles_are(chain.underlying, now)


def _group_keys(priced: PricedChains) -> list[tuple[str, str]]:
    names = priced.underlyings.key
    rows = zip(priced.expiries.underlying.tolist(), priced.expiries.expiry.tolist(), strict=True)
    return [(names[place], date.fromordinal(day).isoformat()) for place, day in rows]


def _states(found: ChainEvaluation, told: Told, smiles: Container[str]) -> Iterable[tuple[tuple[str, str], bytes]]:
    """Yield underlying, topic and state. Those of the nearest expiry have a topic without a date too.

    `smiles`: the underlyings of which smiles are wanted.
    """
    for group, level in level_states(found, told):
        state = encode(level)
        yield (level.underlying, level_topic(level.underlying, level.level, level.expiry)), state
        if told.is_nearest(group):
            yield (level.underlying, level_topic(level.underlying, level.level)), state
    for group, (underlying, expiry, as_of) in enumerate(zip(told.underlying, told.expiry, told.as_of, strict=True)):
        state = encode(atm_state(found, group, as_of))
        yield (underlying, atm_topic(underlying, expiry)), state
        if told.is_nearest(group):
            yield (underlying, atm_topic(underlying)), state
        yield (underlying, analytics_topic(underlying, expiry)), encode(analytics_state(found, group, as_of))
        if underlying in smiles:
            yield (underlying, smile_topic(underlying, expiry)), encode(smile_state(found, group, as_of))
    for place, underlying in enumerate(found.chains.underlyings.key):
        yield (underlying, term_topic(underlying)), encode(term_state(found, place, told.moments[place].isoformat()))
