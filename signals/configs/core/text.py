"""Reading of a configuration's JSON text: names that are given twice, and numbers that JSON lacks, are faults."""

import json
from collections import Counter
from typing import Any

from signals.configs.core.faults import WHOLE, Fault, Faults, plain


def read_text(text: str | bytes, *, most_bytes: int) -> tuple[Any, list[Fault]]:
    """Return the value and no faults, or None and the faults.

    `most_bytes`: of the text; a document has a limit of its own, which the schema checks.
    """
    faults = Faults()
    raw = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    if len(raw) > most_bytes:
        return None, [(WHOLE, f"is over {most_bytes} bytes")]

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            for name, count in Counter(name for name, _ in pairs).items():
                if count > 1:
                    faults.add(plain(name), f"is given {count} times in one object")
        return found

    def refuse(name: str) -> None:
        faults.add(WHOLE, f"{name} is no number of JSON")

    try:
        value = json.loads(raw.decode(), object_pairs_hook=once, parse_constant=refuse, parse_int=_whole)
    except UnicodeDecodeError as error:
        return None, [(WHOLE, f"is no UTF-8: byte {error.start} cannot be read")]
    except RecursionError:
        return None, [(WHOLE, "is nested too deeply")]
    except ValueError as error:
        return None, [(WHOLE, f"is no JSON: {error}")]
    return (None, faults.rows) if faults else (value, [])


def _whole(digits: str) -> int | float:
    """Return an int, and for more digits than any that is allowed has, infinity, which the schema names by its path."""
    return int(digits) if len(digits) <= 20 else float("inf")
