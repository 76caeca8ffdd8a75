"""Values at the newest bar of a frame, with the reason where there is none: what schedules and back-tests show."""

from collections.abc import Iterable, Mapping

import numpy as np

from signals.computations.function_calls import newest_values
from signals.computations.joined import Frame
from signals.functions.core.joins import Join, Joins, Kind
from signals.functions.sandbox.results import Outcome
from signals.indicators.core.compute import names_of
from signals.indicators.core.spec import parse_spec

Values = Mapping[str, float]


def indicator_joins(texts: Iterable[str]) -> Joins:
    """Return joins of all outputs of these indicators. `newest_of_indicator` finds them in a frame."""
    specs = {text: parse_spec(text, "indicators") for text in texts}
    return tuple(
        (f"{text}#{name}", Join(kind=Kind.INDICATORS, spec=spec, column=name))
        for text, spec in specs.items()
        for name in names_of(spec)
    )


def newest_of_indicator(frame: Frame, text: str) -> tuple[Values, str | None]:
    """Return an indicator's outputs at the newest bar of a frame that has bars."""
    outputs = names_of(parse_spec(text, "indicators"))
    values = {name: float(frame.joined[f"{text}#{name}"][-1]) for name in outputs}
    lacking = next((name for name, value in values.items() if not np.isfinite(value)), None)
    return values, None if lacking is None else f"{lacking}: {frame.missing.get(f'{text}#{lacking}')}"


def newest_of_call(outcome: Outcome) -> tuple[Values | None, str | None]:
    """Return the newest of each result of a call, None for a call that failed."""
    if outcome.error is not None:
        return None, outcome.reason
    values = newest_values(outcome)
    lacking = next((name for name, value in values.items() if np.isnan(value)), None)
    return values, None if lacking is None else f"{lacking} has no value at the newest bar"
