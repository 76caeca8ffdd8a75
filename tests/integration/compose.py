"""docker-compose.yml as values."""

import re

import yaml

from tests.integration.processes import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
REFERENCE = re.compile(r"\$\{(\w+)(:?[-?][^}]*)?\}")


def options(service):
    words = SERVICES[service]["command"][-1].split()
    return {word: words[place + 1] for place, word in enumerate(words) if word.startswith("--")}
