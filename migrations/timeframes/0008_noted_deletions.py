"""A DELETE that has noted its own rows in `bar_changes` counts as a change of those, not of everything.

It sets `timeframes.deletion_noted` to `on` in its transaction before; the trigger takes that back, so that the next
DELETE is noted as ever.
"""

from django.db import migrations


_FUNCTION = """
CREATE OR REPLACE FUNCTION note_bar_changes() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('timeframes.deletion_noted', true) = 'on' THEN
    PERFORM set_config('timeframes.deletion_noted', '', true);
    RETURN NULL;
  END IF;
  IF TG_OP IN ('TRUNCATE', 'DELETE') THEN
    INSERT INTO bar_changes (instrument_key, xid, first, last)
    VALUES ('', pg_current_xact_id()::text::int8, '-infinity', 'infinity');
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


class Migration(migrations.Migration):

    dependencies = [
        ('timeframes', '0007_bar_changes'),
    ]

    operations = [
        # Backwards nothing: without that setting, it is the function of before.
        migrations.RunSQL(_FUNCTION, migrations.RunSQL.noop),
    ]
