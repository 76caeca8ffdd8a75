"""Build the states that a cycle publishes: of ticks, of repriced options, and of whole chains."""

from collections.abc import Iterator, Sequence

import numpy as np

from moneyness.core.chain_slice import PricedChain, QuotedOptions, slice_chain
from realtime.core.states import encode, end_instrument
from realtime.core.topic_grammar import chain_topic
from realtime.ticks.core.applied_ticks import AppliedTicks
from realtime.ticks.core.book import Book
from realtime.ticks.core.configured import ConfiguredTicks
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.pricing import PricedOptions
from realtime.ticks.core.unfinished import supersede


def add_tick_states(
    result: CycleResult, applied: AppliedTicks, priced: PricedOptions, priced_here: bytes, members: Sequence[bytes]
) -> None:
    """Add a state for each tick. Only an instrument's newest tick becomes the state of its topic.

    `priced_here`: from `priced_at`. `members`: results of computations, one element a tick at least.
    """
    greeks: list[bytes | None] = [None] * len(applied.ticks)
    for place, answer in zip(priced.options.tolist(), priced.answers, strict=False):
        greeks[place] = answer
    for place, (tick, is_newest) in enumerate(zip(applied.ticks, applied.newest.tolist(), strict=True)):
        contract = tick.contract
        state = end_instrument(tick.statement, priced_here, greeks[place], members[place])
        result.computed[contract.key.symbol].append(state)
        if is_newest:
            result.topics[contract.underlying][contract.text] = state


def add_repriced_states(
    result: CycleResult, book: Book, priced: PricedOptions, priced_here: bytes, members: Sequence[bytes]
) -> None:
    """Add the states of options that were priced without a tick of their own."""
    answers = priced.answers[len(priced.options) :]
    for row, answer, more in zip(priced.repriced.tolist(), answers, members, strict=True):
        contract = book.contracts[row]
        state = end_instrument(book.statements[row], priced_here, answer, more)
        result.topics[contract.underlying][contract.text] = state


def add_configured(result: CycleResult, configured: ConfiguredTicks) -> None:
    """Add what configurations gave: states of their own topics, rows and work to hand over."""
    for underlying, topics in configured.topics.items():
        result.topics[underlying].update(topics)
    result.failures += configured.failures
    result.left_out += configured.left_out
    result.configured.add(configured.records)
    result.heavy += configured.heavy
    result.unfinished_bytes += supersede(result.unfinished, configured.unfinished)


def build_chain_states(
    book: Book, priced: PricedOptions, moment: str, *, window: int
) -> list[tuple[str, dict[str, bytes]]]:
    """Return each repriced chain's underlying and its slices by topic."""
    if not priced.live:
        return []
    where = np.empty(len(book.contracts), np.intp)  # row -> its place in the priced columns
    where[priced.rows[priced.current]] = priced.current
    quoted = QuotedOptions(
        group=book.expiry_number,
        strike=book.strike,
        sign=book.sign,
        ltp=book.last,
        bid=book.bid,
        ask=book.ask,
        oi=book.oi,
    )
    built = []
    for live in filter(len, priced.live):
        underlying = book.contracts[live[0]].underlying
        chain = PricedChain(
            underlying=underlying,
            quoted=quoted,
            rows=live,
            places=where[live],
            answers=priced.columns,
            expiries={number: expiry for expiry, number in book.underlyings[underlying].expiries.items()},
            forwards=priced.forwards,
        )
        built.append((underlying, dict(chain_states(chain, moment, window=window))))
    return built


def chain_states(chain: PricedChain, moment: str, *, window: int) -> Iterator[tuple[str, bytes]]:
    """Yield the topic and the state of each slice of a chain."""
    for each in slice_chain(chain, as_of=moment, window=window):
        yield chain_topic(each.underlying, each.expiry), encode(each)
