"""IDs of stream entries (milliseconds-number) as comparable values."""

EntryId = tuple[int, int]


def parse_id(text: str) -> EntryId:
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number or 0)


def format_id(entry_id: EntryId) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"


def after(entry_id: EntryId) -> EntryId:
    return entry_id[0], entry_id[1] + 1
