"""manage.py indicators [--check]"""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from signals.indicators.core.catalogue import FILE


class Command(BaseCommand):
    help = "Make the catalogue of indicators of the library's signatures, by trying each. Takes some seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if the catalogue is not current")

    def handle(self, **options: Any) -> None:
        from signals.indicators.catalogue_of_library import catalogue  # which imports the library

        text = json.dumps(catalogue(), indent=1) + "\n"
        if not options["check"]:
            FILE.write_text(text)
            self.stdout.write(f"written: {FILE.name}")
        elif not FILE.exists() or FILE.read_text() != text:
            raise CommandError(f"{FILE.name} is not current; `manage.py indicators` writes what the library has")
