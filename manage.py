#!/usr/bin/env python
"""Django's command line. The embedded servers run while a command needs them."""

import gc
import os
import signal
import sys
from contextlib import nullcontext

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as in the background of a script
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `main`, Ctrl-C ends the process without a traceback

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from signalsite.embedded.binaries import EmbeddedError
from signalsite.embedded.keep_running import keep_running
from signalsite.embedded.presence import servers_line
from signalsite.embedded.state import state_dir

# These use no database, or start the servers themselves.
SERVERLESS = {"", "help", "check", "version", "diffsettings", "spectacular", "collectstatic", "up", "services"}

# These say in a line which servers they use, since an operator runs them beside a service or without one.
SAY_SERVERS = {"batch_greeks", "compute", "import_bhavcopy", "import_option_chain", "simulate_market"}


def main(arguments: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
    command = arguments[1] if len(arguments) > 1 else ""
    serverless = command in SERVERLESS or command.startswith("-") or {"-h", "--help"} & set(arguments)
    try:
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with nullcontext([]) if serverless else keep_running() as servers:
            if command in SAY_SERVERS and not serverless and (line := servers_line(state_dir(), servers)):
                print(line, file=sys.stderr)
            gc.disable()  # imports make no garbage; without it a command starts a tenth faster
            django.setup()
            gc.freeze()  # modules stay loaded, so that collections can skip them
            gc.enable()
            execute_from_command_line(arguments)
    except (EmbeddedError, ImproperlyConfigured) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv)
