"""Known vulnerabilities and licences of what is installed: `make check` runs it.

pip-audit asks PyPI about each pinned package. Where the network does not allow that, this says so and goes on. The list
of licences needs no network. Exit status 1: a package has a known vulnerability, or a licence that is not in ALLOWED.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

LOCK = "requirements.txt"
SECONDS = 120
# As parts of what the packages say of themselves. The copyleft among them reaches only changes of those packages.
ALLOWED = ("MIT", "BSD", "Apache", "ISC", "PSF", "Python Software Foundation", "MPL", "Mozilla", "LGPL")
ALLOWED += ("Lesser General Public", "ZPL", "Zope", "Unlicense", "Public Domain", "PostgreSQL", "HPND", "CC0")


def main() -> int:
    names = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", Path(LOCK).read_text(), re.MULTILINE)
    return max(audit(), licences(names))


def audit() -> int:
    command = ["-m", "pip_audit", "--disable-pip", "--no-deps", "--requirement", LOCK, "--format", "json"]
    try:
        done = subprocess.run(
            [sys.executable, *command, "--progress-spinner", "off", "--timeout", "5"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"pip-audit: NOT CHECKED, no answer within {SECONDS} s")
        return 0
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        print(f"pip-audit: NOT CHECKED, the network does not allow it here: {last[:200]}")
        return 0
    return report(packages)


def report(packages: list[dict[str, Any]]) -> int:
    """Print what pip-audit found; 1 where there is a vulnerability."""
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    found = [(each, hole) for each in packages for hole in each.get("vulns", ())]
    for each, hole in found:
        fixed = ", ".join(hole.get("fix_versions", ())) or "no version"
        print(f"pip-audit: {each['name']} {each['version']}: {hole['id']}, fixed in {fixed}")
    if packages and len(skipped) == len(packages):
        print("pip-audit: NOT CHECKED, the network does not allow it here: the index knows none of the packages")
        return 0
    print(f"pip-audit: {len(packages) - len(skipped)} packages checked, {len(found)} known vulnerabilities")
    if skipped:
        print(f"pip-audit: NOT CHECKED: {', '.join(skipped)}")
    return 1 if found else 0


def licences(names: list[str]) -> int:
    command = [sys.executable, "-m", "piplicenses", "--packages", *names, "--format", "json"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for name, count in Counter(each["License"] for each in listed).most_common():
        print(f"licences: {count:4} {name.splitlines()[0][:80]}")
    allowed = [part.lower() for part in ALLOWED]
    odd = [each for each in listed if not any(part in each["License"].lower() for part in allowed)]
    for each in odd:
        print(f"licences: {each['Name']} has {each['License'][:80]!r}, which deploy/audit.py does not allow")
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
