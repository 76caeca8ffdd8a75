"""Measure what attacks cost. Each figure has a file of its own."""

from bench import bad_ticks, health_attacked


def run() -> dict[str, float]:
    return health_attacked.run() | bad_ticks.run()
