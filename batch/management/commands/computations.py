"""Write the generated files: a page of docs and the client's types."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from batch.jobs.generated_files import outdated, texts
from signalsite.foundation.computations.registry import computations


class Command(BaseCommand):
    help = "Generate docs/computations.md and the client's types from the declarations of computations."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not current")

    def handle(self, **options: Any) -> None:
        found = list(computations().values())
        if options["check"]:
            if old := outdated(found):
                names = ", ".join(map(str, old))
                raise CommandError(f"not current: {names}; `manage.py computations` writes what is declared")
            return
        for path, text in texts(found).items():
            (settings.BASE_DIR / path).write_text(text)
            self.stdout.write(f"written: {path}")
