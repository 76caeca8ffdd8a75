"""Check the result of an evaluation against its declaration."""

from typing import Any

from signalsite.foundation.computations.contract import Answers, Computation, Params
from signalsite.foundation.errors import ComputationError


class WrongAnswers(ComputationError):
    """An evaluation returned columns or status words that its computation does not declare."""


def declared(computation: Computation, answers: Answers, params: Params) -> dict[str, Any]:
    """Return the columns for these parameters in declared order, with `retryable` added. Raises WrongAnswers."""
    try:
        retryable = list(map(computation.verdicts.__getitem__, answers.columns["status"]))
    except KeyError as error:
        raise WrongAnswers(f"{computation.name} answers {error}, which is no status word of its declaration") from error
    columns = {**answers.columns, "retryable": retryable}
    names = [column.name for column in computation.columns_for(params)]
    if set(names) != set(columns):
        raise WrongAnswers(f"{computation.name} answers other columns than it declares: {set(names) ^ set(columns)}")
    return {name: columns[name] for name in names}
