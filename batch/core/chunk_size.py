"""How a job is cut."""

SMALLEST, LARGEST = 500, 5000
CHUNKS_PER_WORKER = 4


def chunk_size(total: int, workers: int, fixed: int = 0, rows: int = 1) -> int:
    """Items a chunk: `fixed`, or else a few chunks for each worker, so that they end together, within bounds.

    `rows`: of answers an item; the bounds are of rows.

    Below SMALLEST the fixed cost of a task (a few milliseconds) shows; above LARGEST a chunk that is lost costs too
    much, and a cancelled job computes on for too long.
    """
    of_rows = min(max(-(-total * rows // (workers * CHUNKS_PER_WORKER)), SMALLEST), LARGEST)
    return fixed or max(of_rows // rows, 1)
