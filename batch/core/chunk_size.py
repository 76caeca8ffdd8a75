"""How a job is cut."""

SMALLEST, LARGEST = 500, 5000
CHUNKS_PER_WORKER = 4


def chunk_size(total: int, workers: int) -> int:
    """Items a chunk: a few chunks for each worker, so that they end together, within bounds.

    Below SMALLEST the fixed cost of a task (a few milliseconds) shows; above LARGEST a chunk that is lost costs too
    much, and a cancelled job computes on for too long.
    """
    return min(max(-(-total // (workers * CHUNKS_PER_WORKER)), SMALLEST), LARGEST)
