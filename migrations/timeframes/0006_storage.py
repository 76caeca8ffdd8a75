"""Hypertables, aggregates and policies, as far as the server has them. `manage.py timescale ensure` does it again."""

from django.db import migrations, models

from timeframes.storage.ensure import in_migration


class Migration(migrations.Migration):

    dependencies = [
        ('timeframes', '0005_live_bars'),
    ]

    operations = [
        migrations.CreateModel(
            name='Retention',
            fields=[
                ('table', models.TextField(primary_key=True, serialize=False)),
                ('removed', models.BigIntegerField(default=0, help_text='Rows, or chunks of a hypertable, since the beginning.')),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'timeframes_retention',
            },
        ),
        migrations.RunPython(in_migration, migrations.RunPython.noop),
    ]
