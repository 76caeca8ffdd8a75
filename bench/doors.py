"""What attacks cost: each figure in a file of its own."""

from bench import bad_ticks


def run() -> dict[str, float]:
    return bad_ticks.run()
