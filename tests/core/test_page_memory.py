"""The memory of pages: bounded, and what is asked for often survives a scan."""

import random

from timeframes.core.page_memory import PageMemory


def test_ten_thousand_values_that_are_asked_for_once_push_out_none_of_those_asked_for_often() -> None:
    memory: PageMemory[int] = PageMemory(100_000)
    for name in ("a", "b"):
        memory.put(name, 1, 1_000)
        assert memory.get(name) == 1
    for number in range(10_000):
        memory.put(f"once {number}", number, 1_000)
        assert memory.size <= 100_000
    assert memory.get("a") == memory.get("b") == 1
    assert memory.get("once 9999") == 9999
    assert memory.get("once 0") is None
    assert len(memory) < 30


def test_the_bytes_stay_within_the_bound_in_any_order() -> None:
    rng, memory = random.Random(3), PageMemory[int](50_000)
    sizes: dict[str, int] = {}
    for step in range(20_000):
        name = f"n{rng.randrange(300)}"
        if rng.random() < 0.5:
            memory.get(name)
        elif rng.random() < 0.9:
            sizes[name] = rng.randrange(1, 8_000)
            memory.put(name, step, sizes[name])
        else:
            memory.drop(name)
        kept = {**memory._trial, **memory._proven}
        assert memory.size == sum(size for _, size in kept.values()) <= 50_000
        assert len(kept) == len(memory)


def test_a_value_that_is_too_large_is_not_kept_and_a_newer_one_replaces() -> None:
    memory: PageMemory[int] = PageMemory(80_000)
    memory.put("large", 1, 10_001)
    assert memory.get("large") is None
    memory.put("a", 1, 10)
    memory.put("a", 2, 20)
    assert (memory.get("a"), memory.size) == (2, 20)
    memory.put("a", 3, 30)
    assert (memory.get("a"), memory.peek("a"), memory.size) == (3, 3, 30)
    memory.drop("a")
    assert (memory.get("a"), memory.size, len(memory)) == (None, 0, 0)
