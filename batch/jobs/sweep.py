"""Find stalled work: jobs and chunks whose task was lost, or whose worker died."""

import uuid

from django.db import connection

PATIENCE_EMPTY, PATIENCE_QUEUED = 8, 300  # seconds
# A queue keeps its order: if later work started long ago, the task of the earlier was lost.
_STALLED_JOBS = """
SELECT id FROM batch_job j WHERE status = 'validating'
  AND (created_at < now() - make_interval(secs => %(patience)s)
       OR EXISTS (SELECT FROM batch_job later WHERE later.created_at > j.created_at
                  AND later.started_at < now() - make_interval(secs => %(overtaken)s)))
ORDER BY created_at LIMIT %(most)s
"""
_STALLED = """
WITH stalled AS (
    SELECT c.id FROM batch_chunk c JOIN batch_job j ON j.id = c.job_id
    WHERE j.status IN ('in_progress', 'cancelling')
      AND CASE c.status
          WHEN 'pending'
              THEN coalesce(c.requeued_at, j.started_at, j.created_at) < now() - make_interval(secs => %(patience)s)
                   OR c.requeued_at IS NULL AND EXISTS (
                       SELECT FROM batch_chunk later WHERE later.job_id = c.job_id AND later.number > c.number
                       AND later.requeued_at IS NULL
                       AND later.started_at < now() - make_interval(secs => %(overtaken)s))
          WHEN 'running' THEN c.lease_until < now() AND coalesce(c.requeued_at < now() - interval '10 seconds', true)
          ELSE false END
    ORDER BY j.created_at, c.number LIMIT %(most)s FOR UPDATE OF c SKIP LOCKED
)
UPDATE batch_chunk SET requeued_at = now() FROM stalled WHERE batch_chunk.id = stalled.id RETURNING batch_chunk.id
"""


def find_stalled(*, queued: int, most: int = 500) -> tuple[list[uuid.UUID], list[int]]:
    """Return the jobs and chunks that nobody works on. The caller must enqueue them.

    `queued`: the number of tasks in the broker. If there are any, the waiting work is most likely among them, so it
    counts as stalled only after a long time, or when later work overtook it. An empty broker has lost the tasks.
    """
    patience = {"patience": PATIENCE_QUEUED if queued else PATIENCE_EMPTY, "overtaken": PATIENCE_EMPTY, "most": most}
    with connection.cursor() as cursor:
        cursor.execute(_STALLED_JOBS, patience)
        jobs = [row[0] for row in cursor.fetchall()]
        cursor.execute(_STALLED, patience)
        return jobs, [row[0] for row in cursor.fetchall()]
