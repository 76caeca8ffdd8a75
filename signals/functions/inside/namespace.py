"""The names that a function finds without an import."""

import builtins
from typing import Any

from signals.functions.inside import guards
from signals.functions.inside.classes import build_class
from signals.functions.inside.facades_numpy import of
from signals.functions.inside.stand_ins import Facade
from signals.functions.inside.wire import MOST_PRINTED

_BUILTINS = """
ArithmeticError AssertionError AttributeError BaseException BufferError DeprecationWarning EOFError Ellipsis Exception
FloatingPointError FutureWarning ImportError IndexError KeyError LookupError MemoryError ModuleNotFoundError NameError
NotImplemented NotImplementedError OSError OverflowError RecursionError ReferenceError RuntimeError RuntimeWarning
StopIteration SyntaxError TimeoutError TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError
UserWarning ValueError Warning ZeroDivisionError abs all any ascii bin bool bytearray bytes callable chr classmethod
complex dict divmod enumerate filter float format frozenset hash hex id int isinstance issubclass iter len list map max
min next object oct ord pow property range repr reversed round set slice sorted staticmethod str sum super tuple zip
"""


class Printed:
    """What a function prints, up to a limit."""

    def __init__(self) -> None:
        self.text = ""

    def print(self, *values: Any, sep: Any = " ", end: Any = "\n", **_: Any) -> None:
        if len(self.text) < MOST_PRINTED:
            line = (" " if sep is None else str(sep)).join(str(each)[:MOST_PRINTED] for each in values[:100])
            self.text = (self.text + line + ("\n" if end is None else str(end)))[:MOST_PRINTED]

    def take(self) -> str:
        text, self.text = self.text, ""
        return text


def make_names(facades: dict[str, Facade], printed: Printed) -> dict[str, Any]:
    """Return the names that a function finds, to be copied for each call."""
    safe = of(builtins, _BUILTINS) | {
        "__build_class__": build_class,
        "__import__": guards.importer(facades),
        "getattr": guards.safe_getattr,
        "setattr": guards.safe_setattr,
        "delattr": guards.safe_delattr,
        "hasattr": guards.safe_hasattr,
        "type": guards.safe_type,
        "print": printed.print,
    }
    return {
        "__builtins__": safe,
        "__name__": "function",
        "_getattr_": guards.getattr_,
        "_write_": guards.write_,
        "np": facades["numpy"],
        "pd": facades["pandas"],
        "math": facades["math"],
    }
