"""Read portfolios as items: each has its legs in place of a key."""

from typing import Any

from batch.jobs.core.items import ItemReader, Items, repeated, why_no_custom_id
from signals.positions.core.legs import read_legs
from signals.positions.core.portfolio_text import portfolio_text
from signalsite.foundation.errors import InvalidInput

_FIELDS = ("legs", "custom_id")


class PortfolioReader(ItemReader):
    """Read a request's portfolios, one run after the other. The overrides are those of legs."""

    def read(self, raw: list[Any]) -> Items:
        items = Items([], [], key_name=self._name)
        for place, item in enumerate(raw):
            if not isinstance(item, dict):
                raise InvalidInput(f"items[{self._first + place}]", "an item is an object with legs")
            text, reason = self._text(item, place)
            custom_id = item.get("custom_id")
            items.keys.append(text)
            items.custom_ids.append(None if custom_id is None or why_no_custom_id(custom_id) else custom_id)
            if reason:
                items.refused[place] = reason
        self._first += len(raw)
        for place in self._seen.end_run():
            items.refused[place] = repeated(items.custom_ids[place])
        return items

    def _text(self, item: dict[str, Any], place: int) -> tuple[str, str]:
        """Return the portfolio's text, and why it is refused."""
        for name in item:
            if name not in _FIELDS:
                return "", f"unknown field {name[:50]!r}: an item takes {' and '.join(_FIELDS)}"
        try:
            text = portfolio_text(read_legs(item.get("legs"), self._overrides, self._exchange))
        except InvalidInput as error:
            return "", f"{error.field}: {error}"
        custom_id = item.get("custom_id")
        if custom_id is None:
            return text, ""
        if wrong := why_no_custom_id(custom_id):
            return "", wrong
        return text, "" if self._seen.add(custom_id, place) else repeated(custom_id)
