"""What the library's docstrings say of an indicator: its title, formula and sources."""

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

FILES = "https://github.com/xgboosted/pandas-ta-classic/blob/main/"
LONGEST_FORMULA, MOST_SOURCES = 1500, 4
_HEADS = r"^[ ]*(?:Args|Kwargs|Returns|Sources?|Calculation|Examples?)[^\n]*:[ ]*$"
# The parameters have the real ones: the docstrings lag behind.
_DEFAULTS = re.compile(r"^[ ]*Default (?:Inputs?|values):.*\n?(?:[ ]+\w+=[^\n]*\n?)*", re.M)
# By the library's code, where its docstring has no formula or a wrong one. A test computes each.
_FORMULAS = {
    "alma": """m = distribution_offset * (length - 1)
s = length / sigma
w[i] = exp(-(i - m)^2 / (2 * s^2)), i = 0 for the newest of `length` bars
ALMA = sum(w[i] * close[i]) / sum(w)""",
    "cg": """CG = -sum((i + 1) * close[i bars ago]) / sum(close[i bars ago]), i = 0 ... length - 1""",
    "dx": """DX = scalar * abs(DI+ - DI-) / (DI+ + DI-)
DI+ = scalar * average(DM+) / ATR, DI- = scalar * average(DM-) / ATR, of `length` bars, as in adx""",
    "emv": """distance = HL2 - HL2[drift bars ago], HL2 = (high + low) / 2
EMV = distance / ((volume / 10000) / (high - low))""",
    "kama": """ER = abs(close - close[length bars ago]) / sum(abs(close - close[drift bars ago]), length)
SC = (ER * (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1))^2
KAMA = SC * close + (1 - SC) * KAMA[1 bar ago], which begins with the close""",
    "md": """MD = mean(abs(close - mean(close, length)), length), the mean within being that of the same window""",
    "minus_dm": """up = high - high[drift bars ago], down = low[drift bars ago] - low
DM = down if down > up and down > 0 else 0
MINUS_DM = MINUS_DM[1 bar ago] * (1 - 1 / length) + DM""",
    "plus_dm": """up = high - high[drift bars ago], down = low[drift bars ago] - low
DM = up if up > down and up > 0 else 0
PLUS_DM = PLUS_DM[1 bar ago] * (1 - 1 / length) + DM""",
    "ssf": """Two poles: x = pi * sqrt(2) / length, b = 2 * exp(-x) * cos(x), a = -exp(-2 * x)
SSF = (1 - a - b) * close + b * SSF[1 bar ago] + a * SSF[2 bars ago]
Three poles: x = pi / length, b = 2 * exp(-x) * cos(sqrt(3) * x), c = exp(-2 * x)
SSF = (1 - c - b + c * (1 + b) - c^2) * close + (c + b) * SSF[1 bar ago] - c * (1 + b) * SSF[2 bars ago]
      + c^2 * SSF[3 bars ago]
It begins with the closes.""",
    "supertrend": """upper = HL2 + multiplier * ATR, lower = HL2 - multiplier * ATR, of `length` bars
direction = 1 if close > upper[1 bar ago], -1 if close < lower[1 bar ago], else as 1 bar ago
While the direction stays at 1, lower never falls; while it stays at -1, upper never rises.
SUPERT = lower if direction is 1, else upper""",
}
_TITLE = re.compile('"[^"]+"')  # of a book; other lines say that there is no source
_NOT_OF = {"rvi": ("https://www.tradingview.com/wiki/Keltner_Channels_(KC)",)}  # what the docstring names by mistake
_ADDRESS = re.compile(r"https?://(?:[^\s()<>\"]|\([^\s()<>\"]*\))+")


def texts_of(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """Return `title`, `formula` and `sources`. Without a formula of its own the description stands for it; without a
    source the library's file does, whose definition it is."""
    module = inspect.getmodule(inspect.unwrap(function))
    text = (inspect.getdoc(getattr(module, name, function)) or "").strip()
    title, _, rest = text.partition("\n")
    description = re.split(_HEADS, rest, maxsplit=1, flags=re.M)[0]
    formula = _FORMULAS.get(name) or _without_defaults(_section(text, "Calculation")) or _without_defaults(description)
    named = _section(text, "Sources?")
    sources = [each.rstrip(".,;") for each in _ADDRESS.findall(named)] or [
        line.strip() for line in named.splitlines() if _TITLE.search(line)
    ]
    file = f"{FILES}{getattr(module, '__name__', '').replace('.', '/')}.py"
    return {
        "title": title.strip() or name,
        "formula": formula[:LONGEST_FORMULA],
        "sources": ([each for each in sources if each not in _NOT_OF.get(name, ())] or [file])[:MOST_SOURCES],
    }


def _without_defaults(text: str) -> str:
    return _trimmed(_DEFAULTS.sub("", text))


def _section(text: str, head: str) -> str:
    """Return a section of a docstring, without the indentation."""
    found = re.search(rf"^[ ]*{head}[^\n]*:[ ]*\n(.*?)(?={_HEADS}|\Z)", text, re.S | re.M)
    return _trimmed(found[1]) if found else ""


def _trimmed(text: str) -> str:
    return textwrap.dedent(text).strip()
