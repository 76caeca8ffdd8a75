#!/usr/bin/env python
"""Django's command line. A command that needs the embedded servers holds them while it runs."""

import os
import sys

from django.core.management import execute_from_command_line

# These use no database, or hold the servers themselves.
SERVERLESS = {"", "help", "check", "version", "diffsettings", "spectacular", "collectstatic", "up", "services"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
    arguments = sys.argv[1:]
    command = arguments[0] if arguments else ""
    if command in SERVERLESS or command.startswith("-") or {"-h", "--help"} & set(arguments):
        execute_from_command_line(sys.argv)
        return
    from signalsite.embedded.binaries import EmbeddedError
    from signalsite.embedded.hold import hold

    try:
        with hold():
            execute_from_command_line(sys.argv)
    except EmbeddedError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
