"""The heap of moments beside a walk over all chains, whatever happens in whatever order."""

import math
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.ticks.core.book import Book, Terms, UnderlyingBook
from realtime.ticks.core.due_chains import DueChains

INTERVAL, SMILES = 1.0, 4.0
NAMES = [f"NSE@S{number}" for number in range(4)]


def slow_wait(due: DueChains, chain: UnderlyingBook, now: float) -> float:
    """Return the seconds until a chain is due, by the rule in words."""

    def wait(at: float | None, interval: float) -> float:
        return 0.0 if at is None or at > now else max(at + interval - now, 0.0)

    if not chain.expiries:
        return math.inf
    name = chain.underlying
    ticks = wait(due.evaluated_at.get(name), INTERVAL) if chain.ticked else math.inf
    smiles = wait(due.smiled_at.get(name), SMILES) if name in due.unsmiled else math.inf
    return min(ticks, smiles)


steps = st.lists(
    st.tuples(
        st.sampled_from(["tick", "expiry", "evaluate", "evaluate one", "quiet", "forget", "ask"]),
        st.integers(0, len(NAMES) - 1),
        st.sampled_from([0.0, 0.25, 0.5, 1.0, 4.0, 10.0, -0.5, -100.0]),
        st.booleans(),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_the_heap_is_the_walk(done: list[tuple[str, int, float, bool]]) -> None:
    book, now = Book(), 1e9
    chains = [book.add_underlying(name, Terms("", "", black76=False, dividend_yield=0.0)) for name in NAMES]
    due = DueChains(book, interval=INTERVAL, smile_interval=SMILES)
    for what, place, passed, smiles in done:
        now += passed
        chain = chains[place]
        if what == "tick":
            chain.ticked = True
            book.stirred.add(chain.underlying)
        elif what == "expiry":
            chain.expiries[date(2027, 1, 1)] = 0
            book.stirred.add(chain.underlying)
        elif what == "quiet":
            chain.ticked = False
        elif what == "forget":
            due.forget(chain.underlying)
            chain.ticked = False
        elif what.startswith("evaluate"):
            found = due.take(now)
            expected = [each for each in chains if slow_wait(due, each, now) == 0]
            assert sorted(each.underlying for each in found) == [each.underlying for each in expected]
            times = [due.evaluated_at.get(each.underlying, -math.inf) for each in found]
            assert times == sorted(times)
            most = 1 if what == "evaluate one" else len(found)
            due.put_back([each.underlying for each in found[most:]], now)
            for each in found[:most]:
                name = each.underlying
                due.evaluated_at[name], each.ticked = now, False
                due.unsmiled.discard(name)
                if smiles:
                    due.smiled_at[name] = now
                else:
                    due.unsmiled.add(name)
                    due.put_back([name], now)
        assert due.due_in(now) == min(slow_wait(due, each, now) for each in chains)
    assert len(due._heap) <= 2 * len(done) + len(NAMES)


def test_asking_looks_at_few_chains() -> None:
    book = Book()
    for number in range(500):
        chain = book.add_underlying(f"NSE@S{number}", Terms("", "", black76=False, dividend_yield=0.0))
        chain.expiries[date(2027, 1, 1)], chain.ticked = 0, True
        book.stirred.add(chain.underlying)
    looked = 0

    class Counting(DueChains):
        def _moment(self, chain: UnderlyingBook, now: float) -> float:
            nonlocal looked
            looked += 1
            return super()._moment(chain, now)

    due = Counting(book, interval=INTERVAL, smile_interval=SMILES)
    assert due.due_in(0.0) == 0
    before = looked
    for _ in range(100):
        assert due.due_in(1.0) == 0
    assert looked - before == 100
