"""Functions as users write them, by theme. Each must work, and give what is noted beside it."""

from typing import Any

from tests.integration.functions.honest_classes import CLASSES
from tests.integration.functions.honest_declared import DECLARED
from tests.integration.functions.honest_flow import FLOW
from tests.integration.functions.honest_indicators import INDICATORS
from tests.integration.functions.honest_language import LANGUAGE
from tests.integration.functions.honest_models import MODELS
from tests.integration.functions.honest_modules import MODULES
from tests.integration.functions.honest_more import MORE
from tests.integration.functions.honest_numpy import NUMPY
from tests.integration.functions.honest_pandas import PANDAS
from tests.integration.functions.honest_results import RESULTS
from tests.integration.functions.honest_strategies import STRATEGIES
from tests.integration.functions.honest_texts import TEXTS

PARAMS = {"shift": 5.0, "levels": [1, 2, 3], "nested": {"k": 4}}
THEMES: tuple[dict[str, tuple[str, Any]], ...] = (
    *(CLASSES, DECLARED, FLOW, LANGUAGE, TEXTS),
    *(INDICATORS, MODULES, MODELS, MORE, STRATEGIES, RESULTS),
)
HONEST = {name: program for theme in THEMES for name, program in theme.items()}
assert len(HONEST) == sum(map(len, THEMES)), "two programs have one name"


def function_of(lines: str) -> str:
    """Return a function that gives the value of each expression, on a line of its own."""
    return (
        "def compute(data, params):\n"
        "    c, h, v = data['close'], data['high'], data['volume']\n"
        "    s, df = pd.Series(c), pd.DataFrame(data)\n"
        "    return [float(each) for each in (\n" + ",\n".join(lines.strip().splitlines()) + ",\n    )]\n"
    )


EXPRESSIONS = {"numpy": function_of(NUMPY), "pandas": function_of(PANDAS)}
