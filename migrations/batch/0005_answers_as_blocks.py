"""Items and answers become a block of columns a chunk (Arrow IPC, zstd) instead of JSON and a row an item.

What the blocks hold is written out here: the code that reads them may learn more, but must go on reading these.
"""

import json
import sys

import pyarrow as pa
from django.db import migrations, models
from pyarrow import json as arrow_json

IDENTITY = ("position", "custom_id", "instrument_key")
ANSWERS = """
SELECT coalesce(string_agg(body, E'\\n' ORDER BY position), ''), coalesce(array_agg(position ORDER BY position), '{}')
FROM batch_result WHERE job_id = %s AND position >= %s AND position < %s
"""
COUNTS = """
SELECT coalesce(jsonb_object_agg(status, n), '{}')::text FROM (
    SELECT status, count(*) AS n FROM batch_result WHERE job_id = %s AND position >= %s AND position < %s GROUP BY status
) counted
"""


def block(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def item_block(items):
    """An item with a number that no float holds is refused: earlier versions let such numbers in."""
    count = len(items["keys"])
    refused = dict(items.get("refused") or {})
    for values in items.get("overrides", {}).values():
        for place, value in values.items():
            if abs(value) > sys.float_info.max:
                refused[place] = "the stored item cannot be read: a number that no float holds"
    columns = {"instrument_key": pa.array(items["keys"], pa.string())}
    if items.get("custom_ids"):
        columns["custom_id"] = pa.array(items["custom_ids"], pa.string())
    if refused:
        columns["refused"] = pa.array([refused.get(str(place)) for place in range(count)], pa.string())
    for name, values in sorted(items.get("overrides", {}).items()):
        kept = [None if str(place) in refused else values.get(str(place)) for place in range(count)]
        columns["override." + name] = pa.array(kept, pa.float64())
    return block(pa.table(columns))


def answer_block(bodies, places):
    """`places`: of the items that have an answer; None where all have. Retention may have removed some."""
    lines = bodies.encode()
    table = arrow_json.read_json(
        pa.BufferReader(lines), arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
    )
    table = table.drop_columns([name for name in IDENTITY if name in table.column_names])
    return block(table if places is None else table.add_column(0, "item", pa.array(places, pa.int32())))


def forwards(apps, schema_editor):
    """A chunk at a time: memory holds one, whatever there is."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT id FROM batch_chunk ORDER BY id")
        for (pk,) in cursor.fetchall():
            cursor.execute("SELECT job_id, first_position, size, status, items::text FROM batch_chunk WHERE id = %s", [pk])
            job, first, size, status, items = cursor.fetchone()
            values = [item_block(json.loads(items, parse_int=float)), None, 0, "{}"]
            if status == "done":
                which = [job, first, first + size]
                cursor.execute(ANSWERS, which)
                bodies, positions = cursor.fetchone()
                places = None if len(positions) == size else [position - first for position in positions]
                cursor.execute(COUNTS, which)
                counts = cursor.fetchone()[0]
                values[1:] = [answer_block(bodies, places) if positions else None, len(positions), counts]
            cursor.execute(
                "UPDATE batch_chunk SET item_block = %s, answer_block = %s, rows = %s, status_counts = %s WHERE id = %s",
                [*values, pk],
            )


class Migration(migrations.Migration):
    dependencies = [("batch", "0004_after_repair")]

    operations = [
        migrations.AddField("chunk", "item_block", models.BinaryField(null=True)),
        migrations.AddField(
            "chunk",
            "answer_block",
            models.BinaryField(null=True, help_text="The answers as a block of columns (batch.core.answers)."),
        ),
        migrations.AddField("chunk", "rows", models.PositiveIntegerField(default=0, help_text="Of answers.")),
        migrations.AddField(
            "chunk", "status_counts", models.JSONField(default=dict, help_text="Rows of answers by status word.")
        ),
        # The blocks are compressed already: PostgreSQL is not to try again.
        migrations.RunSQL(
            "ALTER TABLE batch_chunk ALTER item_block SET STORAGE EXTERNAL, ALTER answer_block SET STORAGE EXTERNAL",
            migrations.RunSQL.noop,
        ),
        migrations.RunPython(forwards, elidable=True),
        migrations.AlterField(
            "chunk",
            "item_block",
            models.BinaryField(help_text="The items as a block of columns (batch.core.items)."),
        ),
        migrations.RemoveField("chunk", "items"),
        migrations.DeleteModel("Result"),
    ]
