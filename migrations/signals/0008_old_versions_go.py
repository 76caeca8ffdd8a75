"""Versions of a configuration go with it, or by the sweep, which finds what still names them."""

from django.db import migrations, models

# Deferred: with its configuration a version goes first, whoever writes the SQL.
STAYS = """
CREATE FUNCTION signal_configuration_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('signalsite.versions_expire', true) IS DISTINCT FROM 'on'
       AND EXISTS (SELECT FROM signal_configurations WHERE id = OLD.configuration_id) THEN
        RAISE EXCEPTION 'a version of a configuration goes with it, or when nothing names it any more';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER stays AFTER DELETE ON signal_configuration_versions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION signal_configuration_version_stays();
"""
MAY_GO = """
DROP TRIGGER stays ON signal_configuration_versions;
DROP FUNCTION signal_configuration_version_stays();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('signals', '0007_configurations'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='configurationrun',
            index=models.Index(fields=['configuration', 'version'], name='configuration_run_version'),
        ),
        migrations.AddIndex(
            model_name='configurationresult',
            index=models.Index(fields=['configuration_id', 'version'], name='configuration_result_version'),
        ),
        migrations.RunSQL(STAYS, MAY_GO),
    ]
