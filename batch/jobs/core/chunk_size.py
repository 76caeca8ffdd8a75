"""How a job is cut."""

SMALLEST, LARGEST = 500, 5000
LARGEST_FIXED = 20_000  # what BATCH_CHUNK_SIZE may be at the most
CHUNKS_PER_WORKER = 4


def chunk_size(total: int, workers: int, fixed: int = 0, rows: int = 1) -> int:
    """Items a chunk: `fixed`, or else a few chunks for each worker, so that they end together, within bounds.

    `rows`: of answers an item. The bounds are of rows, and a chunk has one item at least: a worker holds all rows of
    its chunk.

    Below SMALLEST the fixed cost of a task (a few milliseconds) shows; above LARGEST a chunk that is lost costs too
    much, and a cancelled job computes on for too long.
    """
    if fixed:
        return min(fixed, max(LARGEST_FIXED // rows, 1))
    of_rows = min(max(-(-total * rows // (workers * CHUNKS_PER_WORKER)), SMALLEST), LARGEST)
    return max(of_rows // rows, 1)
