"""Texts and bytes. Each gives what is noted beside it for closes 1 to 60."""

TEXTS = {
    "f_strings_and_format": (
        """
def compute(data, params):
    a = f"{data['close'][0]:.2f} {'x':>4} {3!r}"
    b = "{:.1f} {name} {0[1]}".format([1, 2] and 1.25, name="y") if False else "{:.1f}/{n}".format(1.25, n=7)
    c = "%s-%d" % ("z", 3)
    return len(a) + len(b) + len(c)
""",
        19,
    ),
    "fstrings": (
        """
def compute(data, params):
    x, w = 3.14159, 10
    s = f"{x:.2f}|{x:>{w}.3f}|{1234567:,}|{0.5:%}|{'a':^5}|{x!r}|{255:#x}|{x=}|{w:05d}|{1e10:e}|{{}}"
    return len(s)
""",
        87,
    ),
    "str_format": (
        """
class Q:
    def __init__(self): self.price = 1.5; self.d = {"k": [1, 2]}
def compute(data, params):
    a = "{:.2f} {:>5} {name!r}".format(1.234, "x", name="n")
    b = "{0.price:.1f} {0.d[k]}".format(Q())
    c = "{:{w}}".format("x", w=6)
    d = "{a}".format(**{"a": 1})
    e = "{a}-{b}".format_map({"a": 1, "b": 2})
    return [len(a), len(b), len(c), len(d), len(e)]
""",
        [14.0, 10.0, 6.0, 1.0, 3.0],
    ),
    "str_methods": (
        """
def compute(data, params):
    s = "  Nifty,Bank;50 "
    t = s.strip().lower().replace(";", ",").split(",")
    u = "-".join(t).title().center(30, "*").partition("-")
    v = "abc".translate(str.maketrans("ab", "xy"))
    return [len(t), len(u[0]), "NIFTY".startswith("NI"), "x".isdigit(), "%05.2f|%s|%r" % (1.5, "a", "b") == "01.50|a|'b'", v == "xyc", "abc"[::-1] == "cba", "a,b".count(","), "x".zfill(3) == "00x", ord("a"), len("é".encode()), "abc".find("c"), "aXb".swapcase() == "AxB", int("ff", 16)]
""",
        [3.0, 13.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 97.0, 2.0, 2.0, 1.0, 255.0],
    ),
    "bytes": (
        """
def compute(data, params):
    b = bytes([1, 2, 3])
    a = bytearray(b"abc")
    a[0] = 65
    return [b[1], len(b + b"x"), len(a.decode()), int.from_bytes(b"\\x01\\x00", "big"), len((5).to_bytes(2, "little")), len(b.hex())]
""",
        [2.0, 4.0, 3.0, 256.0, 2.0, 6.0],
    ),
    "re": (
        """
import re
PATTERN = re.compile(r"(\\d+)([mhd])")
def compute(data, params):
    m = PATTERN.match(params.get("tf", "15m"))
    n = re.sub(r"[^0-9]", "", "a1b2")
    return [int(m.group(1)), float(m.group(2) == "m"), int(n), len(re.findall("a", "banana")), len(re.split(",", "a,b"))]
""",
        [15.0, 1.0, 12.0, 3.0, 2.0],
    ),
    "string_module": (
        """
import string
def compute(data, params):
    return len(string.ascii_lowercase) + len(string.digits)
""",
        36,
    ),
    "docstring_source": (
        '''"""Module docstring."""
__author__ = "me"
__version__ = "1.0"
__all__ = ["compute"]
def compute(data: dict, params: dict) -> dict:
    """Doc."""
    return {"doc": len(compute.__doc__)}
''',
        {"doc": 4},
    ),
}
