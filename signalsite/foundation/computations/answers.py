"""What an evaluation gave, held against what its computation declares."""

from typing import Any

from signalsite.foundation.computations.contract import Answers, Computation
from signalsite.foundation.errors import ComputationError


class WrongAnswers(ComputationError):
    """An evaluation gave other columns or words than its computation declares."""


def declared(computation: Computation, answers: Answers) -> dict[str, Any]:
    """The columns as declared, in order, with what follows from the status word. Raises WrongAnswers."""
    try:
        retryable = list(map(computation.verdicts.__getitem__, answers.columns["status"]))
    except KeyError as error:
        raise WrongAnswers(f"{computation.name} answers {error}, which is no status word of its declaration") from error
    columns = {**answers.columns, "retryable": retryable}
    names = [column.name for column in computation.answer_columns]
    if set(names) != set(columns):
        raise WrongAnswers(f"{computation.name} answers other columns than it declares: {set(names) ^ set(columns)}")
    return {name: columns[name] for name in names}
