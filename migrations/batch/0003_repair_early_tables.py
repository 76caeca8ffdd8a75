"""Bring the tables of databases whose 0001 was an earlier text of it to what 0001 says now.

0001 was edited in place three times after it had landed. It does not come after 0002, which needs a table that the
earliest text lacks: 0004 joins the two, and Django carries out this one first. What is there stays; where all is there
nothing is done.
"""

from typing import Any

from django.db import migrations


def repair(apps: Any, schema_editor: Any) -> None:
    introspection = schema_editor.connection.introspection
    for model in apps.get_app_config("batch").get_models():
        table = model._meta.db_table
        with schema_editor.connection.cursor() as cursor:
            if table not in introspection.table_names(cursor):
                schema_editor.create_model(model)
                continue
            columns = {each.name for each in introspection.get_table_description(cursor, table)}
            names = set(introspection.get_constraints(cursor, table))  # of indexes too
        for field in model._meta.local_concrete_fields:
            if field.column is not None and field.column not in columns:
                schema_editor.add_field(model, field)
        for index in model._meta.indexes:
            if index.name not in names:
                schema_editor.add_index(model, index)
        for constraint in model._meta.constraints:
            if constraint.name not in names:
                schema_editor.add_constraint(model, constraint)


class Migration(migrations.Migration):
    dependencies = [("batch", "0001_initial")]
    operations = [migrations.RunPython(repair, migrations.RunPython.noop)]
