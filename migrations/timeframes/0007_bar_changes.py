"""The triggers that write `bar_changes` in the transaction that changes stored bars or ticks.

A statement-level trigger sees every writer, also COPY and psql, and costs one insert a statement. The keys of a
statement get a row each, but those that change near its newest moment share one of any instrument: a batch of live
ticks has hundreds of keys. TimescaleDB allows these triggers on hypertables; a DELETE's has no table of its rows, which
compression refuses, and counts as a change of everything.

A DELETE that has noted its own rows sets `timeframes.deletion_noted` to `on` in its transaction before; the trigger
takes that back, so that the next DELETE is noted as ever.
"""

from django.db import migrations, models


_FUNCTION = """
CREATE OR REPLACE FUNCTION note_bar_changes() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('timeframes.deletion_noted', true) = 'on' THEN
    PERFORM set_config('timeframes.deletion_noted', '', true);
    RETURN NULL;
  END IF;
  IF TG_OP IN ('TRUNCATE', 'DELETE') THEN
    INSERT INTO bar_changes (instrument_key, xid, first, last)
    VALUES ('', pg_current_xact_id()::text::int8, '0001-01-01T00:00Z', '9999-12-31T00:00Z');
    RETURN NULL;
  END IF;
  INSERT INTO bar_changes (instrument_key, xid, first, last)
  WITH by_key AS (
    SELECT instrument_key AS key, min(time) AS first, max(time) AS last FROM changed GROUP BY instrument_key
  ), all_keys AS (SELECT max(last) AS newest, count(*) AS keys FROM by_key)
  SELECT CASE WHEN keys > 500 OR keys > 16 AND first >= newest - interval '1 minute' THEN '' ELSE key END,
         pg_current_xact_id()::text::int8, min(first), max(last)
  FROM by_key CROSS JOIN all_keys GROUP BY 1;
  RETURN NULL;
END $$
"""
_TABLES = ("historical_data", "ticks")
_TRIGGERS = (
    ("inserted", "INSERT", "REFERENCING NEW TABLE AS changed"),
    ("updated_from", "UPDATE", "REFERENCING OLD TABLE AS changed"),
    ("updated_to", "UPDATE", "REFERENCING NEW TABLE AS changed"),
    ("deleted", "DELETE", ""),
    ("truncated", "TRUNCATE", ""),
)
CREATE = [
    _FUNCTION,
    *(
        f"CREATE OR REPLACE TRIGGER note_{name} AFTER {event} ON {table} {rows} FOR EACH STATEMENT "
        "EXECUTE FUNCTION note_bar_changes()"
        for table in _TABLES
        for name, event, rows in _TRIGGERS
    ),
]
DROP = [
    *(f"DROP TRIGGER IF EXISTS note_{name} ON {table}" for table in _TABLES for name, _, _ in _TRIGGERS),
    "DROP FUNCTION IF EXISTS note_bar_changes()",
]


class Migration(migrations.Migration):

    dependencies = [
        ('timeframes', '0006_storage'),
    ]

    operations = [
        migrations.CreateModel(
            name='BarChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('instrument_key', models.TextField(help_text='Empty: of any instrument.')),
                ('xid', models.BigIntegerField(help_text='The transaction, pg_current_xact_id().')),
                ('first', models.DateTimeField(help_text='The time of the first row that changed.')),
                ('last', models.DateTimeField()),
                ('settled_at', models.DateTimeField(help_text='When it was seen committed; deleted long after that.', null=True)),
            ],
            options={
                'db_table': 'bar_changes',
                'indexes': [models.Index(fields=['instrument_key', 'xid'], include=('first', 'last'), name='bar_change_of_key')],
            },
        ),
        migrations.CreateModel(
            name='CustomTimeframe',
            fields=[
                ('name', models.TextField(help_text="The page's key in the cache, agg_data:...", primary_key=True, serialize=False)),
                ('instrument_key', models.TextField()),
                ('timeframe', models.TextField(help_text='In its shortest form: 7m, 1h, 1w.')),
                ('asked', models.FloatField(help_text='How often it was asked for; halved each day.')),
                ('last_asked_at', models.DateTimeField()),
                ('made_at', models.DateTimeField(null=True)),
                ('content', models.BinaryField(null=True)),
            ],
            options={
                'db_table': 'signal_custom_timeframes',
                'indexes': [models.Index(fields=['-asked'], name='custom_timeframe_asked')],
            },
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
