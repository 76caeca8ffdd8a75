"""Which names a function may use. Both the compiler's policy and the guards at run time ask here."""

from RestrictedPython.transformer import INSPECT_ATTRIBUTES

DEFINABLE = frozenset(
    f"__{name}__"
    for name in (
        *("init", "repr", "str", "len", "bool", "hash", "call", "iter", "next", "contains", "getitem", "setitem"),
        *("delitem", "reversed", "enter", "exit", "lt", "le", "eq", "ne", "gt", "ge", "add", "sub", "mul", "truediv"),
        *("floordiv", "mod", "pow", "matmul", "neg", "pos", "abs", "invert", "and", "or", "xor", "lshift", "rshift"),
        *("radd", "rsub", "rmul", "rtruediv", "rfloordiv", "rmod", "rpow", "iadd", "isub", "imul", "itruediv"),
        *("int", "float", "round", "index", "format", "slots", "match_args", "doc", "post_init", "missing", "divmod"),
    )
)
"""What a class of a user may define. Not among them: what lets an object pretend to be memory, or another class."""
OF_CLASSES = frozenset(("__module__", "__qualname__", "__classcell__", "__annotations__", "__firstlineno__"))
OF_CLASSES |= {"__static_attributes__", "__dict__", "__weakref__"}
"""What Python itself puts into a class."""
READABLE = frozenset(("__name__", "__doc__", "__class__"))
NAMED_TUPLES = frozenset(("_replace", "_asdict", "_fields", "_make"))
GUARDS = frozenset(("_getattr_", "_write_", "__metaclass__"))

KEPT_CONVERSIONS = frozenset(
    f"to_{name}"
    for name in (
        *("numpy", "list", "dict", "frame", "series", "period", "timestamp", "flat_index", "pydatetime", "pytimedelta"),
        *("julian_date", "offset", "datetime64", "timedelta64", "datetime", "numeric", "timedelta"),
    )
)
DENIED = (
    INSPECT_ATTRIBUTES
    | frozenset(("tb_lasti", "tb_lineno", "f_lasti", "f_lineno", "gi_running", "gi_suspended", "f_trace_lines"))
    | frozenset(("format_map", "mro", "tofile", "dump", "dumps", "ctypes", "cffi", "capsule", "setflags"))
    | frozenset(("eval", "query", "plot", "hist", "boxplot", "style", "resize", "bit_generator", "func_globals"))
    | frozenset(("func_code", "func_closure", "im_func", "im_self", "im_class", "set_state", "newbyteorder"))
)
"""Attributes that nobody may read, except of an object whose class the user wrote."""


def is_private(name: str) -> bool:
    return name.startswith("_")


def is_denied(name: str) -> bool:
    """Whether an attribute of somebody else's object is closed: frames, files, raw memory, evaluation of text."""
    return name in DENIED or (name.startswith("to_") and name not in KEPT_CONVERSIONS) or name.startswith("read_")
