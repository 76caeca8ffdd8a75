"""What indicators there are: `catalogue.json`, which `manage.py indicators --write` makes of the library's signatures.

So a name and its parameters are checked without the second that importing the library takes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("catalogue.json")
TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of an indicator. A number lies from `lowest` to `highest`; without `inclusive`, above `lowest`.

    `default` None: the library has one that depends on other parameters.
    """

    name: str
    type: type
    default: Any
    lowest: float = 0.0
    highest: float = 0.0
    inclusive: bool = True
    choices: tuple[str, ...] = ()

    def allowed(self) -> str:
        if self.type is bool:
            return "true or false"
        if self.type is str:
            return "one of " + ", ".join(self.choices)
        if not self.inclusive:
            return f"a number above {self.lowest:g} and at most {self.highest:g}"
        return f"a {'whole ' * (self.type is int)}number from {self.lowest:g} to {self.highest:g}"


@dataclass(frozen=True, slots=True)
class Indicator:
    """`inputs`: columns of bars. `outputs`: their names with the defaults. `warm_up`: bars after which the beginning
    of a series has no effect above 1e-9, with the defaults; None: it counts from the first bar. `missing`: why it is
    not offered. `kernel`: whether a kernel of ours computes it, with most parameters.
    """

    name: str
    category: str
    title: str
    inputs: tuple[str, ...]
    arguments: Mapping[str, Argument]
    outputs: tuple[str, ...]
    first: int
    warm_up: int | None
    formula: str
    sources: tuple[str, ...]
    missing: str
    kernel: bool

    @property
    def takes_source(self) -> bool:
        """Whether another column can stand in for the close."""
        return self.inputs == ("close",)


@lru_cache(maxsize=1)
def indicators() -> Mapping[str, Indicator]:
    """Return all indicators of the library by name."""
    rows = json.loads(FILE.read_text())["indicators"]
    return {row["name"]: _indicator(row) for row in rows}


def library_version() -> str:
    """Return the version of the library that the catalogue was made of."""
    version: str = json.loads(FILE.read_text())["version"]
    return version


def _indicator(row: dict[str, Any]) -> Indicator:
    from signals.indicators.core.kernel_names import KERNEL_NAMES

    arguments = {
        each["name"]: Argument(**{**each, "type": TYPES[each["type"]], "choices": tuple(each.get("choices", ()))})
        for each in row["arguments"]
    }
    return Indicator(
        name=row["name"],
        category=row["category"],
        title=row["title"],
        inputs=tuple(row["inputs"]),
        arguments=arguments,
        outputs=tuple(row["outputs"]),
        first=row["first"],
        warm_up=row["warm_up"],
        formula=row["formula"],
        sources=tuple(row["sources"]),
        missing=row["missing"],
        kernel=row["name"] in KERNEL_NAMES,
    )
