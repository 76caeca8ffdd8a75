"""Which names a function may use. Both the compiler's policy and the guards at run time ask here."""

from functools import lru_cache

from RestrictedPython.transformer import INSPECT_ATTRIBUTES


def _dunders(words: str) -> frozenset[str]:
    return frozenset(f"__{word}__" for word in words.split())


OPERATORS = _dunders("""
    repr str format hash bool len call iter next contains getitem setitem delitem reversed missing length_hint
    enter exit
    lt le eq ne gt ge neg pos abs invert int float complex index round trunc floor ceil
    add sub mul truediv floordiv mod divmod pow matmul and or xor lshift rshift
    radd rsub rmul rtruediv rfloordiv rmod rdivmod rpow rmatmul rand ror rxor rlshift rrshift
    iadd isub imul itruediv ifloordiv imod ipow imatmul iand ior ixor ilshift irshift
""")
"""Methods behind ordinary syntax. Anybody's may be called by name, since the syntax calls them too."""
DEFINABLE = OPERATORS | _dunders("""
    init new post_init doc slots match_args copy deepcopy getattr setattr delattr get set delete set_name
    init_subclass class_getitem
""")
"""What a class of a user may define. Not among them: what lets an object pretend to be memory, or another class."""
OF_CLASSES = _dunders("""
    module qualname classcell annotations firstlineno static_attributes dict weakref annotate annotate_func
    conditional_annotations annotations_cache orig_bases parameters order dataclass_fields dataclass_params getstate
    setstate replace
""")
"""What Python and its dataclasses put into a class."""
OF_MODULES = _dunders("doc all author version license date email copyright")
"""Names with underscores around them that a source may set for itself."""
READABLE = _dunders("name qualname doc class dict members cause context")
NAMED_TUPLES = frozenset(("_replace", "_asdict", "_fields", "_make", "_field_defaults"))
GUARDS = frozenset(("_getattr_", "_write_"))

KEPT_CONVERSIONS = frozenset(
    f"to_{name}"
    for name in (
        *("numpy", "list", "dict", "frame", "series", "period", "timestamp", "flat_index", "pydatetime", "pytimedelta"),
        *("julian_date", "offset", "datetime64", "timedelta64", "datetime", "numeric", "timedelta", "bytes", "records"),
        *("integral_value", "integral_exact", "integral", "eng_string"),
    )
)
DENIED = (
    INSPECT_ATTRIBUTES
    | frozenset(("tb_lasti", "tb_lineno", "f_lasti", "f_lineno", "gi_running", "gi_suspended", "f_trace_lines"))
    | frozenset(("mro", "tofile", "dump", "dumps", "ctypes", "cffi", "capsule", "setflags", "fromfile"))
    | frozenset(("eval", "query", "plot", "hist", "boxplot", "style", "resize", "bit_generator", "func_globals"))
    | frozenset(
        ("func_code", "func_closure", "im_func", "im_self", "im_class", "set_state", "newbyteorder", "clear_cache")
    )
)
"""Attributes that nobody may read, except of an object whose class the user wrote."""
CHECKED = frozenset(("agg", "aggregate", "apply", "transform", "pipe", "pivot_table"))
"""Methods of pandas that take the names of others. They are handed out with a check of what they are given."""
SPECIAL = frozenset(("format", "format_map", "obj")) | CHECKED
"""Attributes that a guard looks at more closely. Patterns, which read without a guard, may not read them."""

_TO_TEXT = "print(frame) shows it, and what is returned is kept"
_FROM_FILES = "functions read no files: the columns are in data"
_INDICATORS = "compute it with numpy and pandas, or have the indicator joined to data"
_OUTSIDE = "functions reach no file, network, process or setting: what they need is in data and params"
INSTEAD = {
    "query": "select with df[df['close'] > 30]",
    "eval": "compute with the columns, as in df['close'] - df['open']",
    **dict.fromkeys(("to_csv", "to_json", "to_string", "to_html", "to_markdown", "to_latex"), _TO_TEXT),
    **dict.fromkeys(("load", "loadtxt", "genfromtxt", "fromfile", "read_csv", "read_parquet", "open"), _FROM_FILES),
    **dict.fromkeys(("plot", "hist", "boxplot", "style", "matplotlib"), "return the numbers, and draw them elsewhere"),
    **dict.fromkeys(("scipy", "talib", "pandas_ta", "sklearn", "statsmodels", "ta"), _INDICATORS),
    **dict.fromkeys(("os", "sys", "io", "pathlib", "subprocess", "socket", "requests", "urllib", "input"), _OUTSIDE),
    **dict.fromkeys(("threading", "multiprocessing", "concurrent", "asyncio"), "a function computes at once, alone"),
    "logging": "use print",
    "sleep": "a function computes at once",
    "vars": "use x.__dict__ of your own objects",
    "resize": "use np.resize",
    "setflags": "make a copy",
    "import of '*'": "name what you import, as in from math import sqrt",
    "async def": "use def",
    "async for": "use for",
    "async with": "use with",
    "except*": "use except",
}
"""What to use in the place of what is not there."""


def is_denied(name: str) -> bool:
    """Whether an attribute of somebody else's object is closed: frames, files, raw memory, evaluation of text."""
    return name in DENIED or (name.startswith("to_") and name not in KEPT_CONVERSIONS) or name.startswith("read_")


@lru_cache(maxsize=4096)
def is_plain(name: str) -> bool:
    """Whether anybody's attribute of this name may be read without a closer look."""
    return not (name.startswith("_") or name in SPECIAL or is_denied(name))


def is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def not_available(what: str, name: str = "") -> str:
    """Return the message of an error, with what to use instead where that is known."""
    instead = INSTEAD.get(name or what)
    return f"{what} is not available in functions" + (f"; {instead}" if instead else "")
