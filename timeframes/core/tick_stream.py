"""Names of the tick streams, one for each underlying: `tick_stream:EXCHANGE@SYMBOL`."""

TICK_STREAM = "tick_stream:"


def tick_stream(underlying: str) -> str:
    return TICK_STREAM + underlying


def underlying_of(stream: str) -> str:
    return stream.removeprefix(TICK_STREAM)
