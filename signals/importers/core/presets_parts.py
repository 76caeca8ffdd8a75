"""What several presets share."""

from types import MappingProxyType


def both_legs(columns: dict[str, str], call: str, put: str, word: str = "%") -> dict[str, str]:
    """Return the columns of a call and a put that stand in one row: `word` is where their names differ."""
    return {
        f"{leg}.{name}": column.replace(word, text)
        for leg, text in (("call", call), ("put", put))
        for name, column in columns.items()
    }


GREEKS = MappingProxyType({name: name for name in ("delta", "gamma", "theta", "vega", "rho")})
