"""Attacks by class. Each returns 666 where it got what it should not; an error or another number is a defence."""

HEAD = "def compute(data, params):\n"


def body(text: str) -> str:
    """Return a function `compute` of these lines."""
    return HEAD + "".join(f"    {line}\n" for line in text.strip("\n").splitlines())
