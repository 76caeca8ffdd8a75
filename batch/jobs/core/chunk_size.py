"""Choose the chunk size of a job."""

SMALLEST, LARGEST = 500, 5000
LARGEST_FIXED = 20_000  # the maximum of BATCH_CHUNK_SIZE
CHUNKS_PER_WORKER = 4


def chunk_size(total: int, workers: int, fixed: int = 0, rows: int = 1, largest: int = LARGEST) -> int:
    """Return the number of items in a chunk: `fixed`, or else a few chunks for each worker, within bounds.

    A few chunks for each worker let all workers end at about the same time. `rows`: answer rows per item. The bounds
    count rows, because a worker holds all rows of its chunk. A chunk has at least one item. `largest`: most rows of a
    chunk.

    Below SMALLEST, the fixed cost of a task (a few milliseconds) shows. Above LARGEST, losing a chunk costs too much,
    and a cancelled job computes for too long.
    """
    if fixed:
        return min(fixed, max(LARGEST_FIXED // rows, 1))
    of_rows = min(max(-(-total * rows // (workers * CHUNKS_PER_WORKER)), SMALLEST), largest)
    return max(of_rows // rows, 1)
