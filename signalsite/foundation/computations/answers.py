"""What an evaluation gave, held against what its computation declares."""

from typing import Any

from signalsite.foundation.computations.contract import OK, Answers, Computation
from signalsite.foundation.errors import ComputationError


class WrongAnswers(ComputationError):
    """An evaluation gave other columns or words than its computation declares."""


def declared(computation: Computation, answers: Answers) -> dict[str, Any]:
    """The columns as declared, in order, with what follows from the status word. Raises WrongAnswers."""
    status = answers.columns["status"]
    unknown = set(status) - {OK, *(each.word for each in computation.words)}
    if unknown:
        raise WrongAnswers(f"{computation.name} answers status words that it does not declare: {sorted(unknown)}")
    columns = {**answers.columns, "retryable": [word in computation.retryable for word in status]}
    names = [column.name for column in computation.answer_columns]
    if set(names) != set(columns):
        raise WrongAnswers(f"{computation.name} answers other columns than it declares: {set(names) ^ set(columns)}")
    return {name: columns[name] for name in names}
