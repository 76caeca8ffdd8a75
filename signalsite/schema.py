"""What the OpenAPI document leaves out."""

from typing import Any


def without_aliases(endpoints: list[tuple[str, ...]], **_: Any) -> list[tuple[str, ...]]:
    """The same views under /api/v2/ are an alias of /api/v2/signals/."""
    return [each for each in endpoints if not each[0].startswith("/api/v2/") or each[0].startswith("/api/v2/signals/")]
