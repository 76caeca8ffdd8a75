"""`python -m bench`, or ONLY=engine,batch python -m bench: print the tables, keep the figures.

bench/out/latest.json is one flat object of the figures by name; a run of some subjects replaces only theirs.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

SUBJECTS = ("engine", "batch", "live", "sockets")
OUT = Path(__file__).parent / "out" / "latest.json"


def main() -> None:
    chosen = [name for name in os.environ.get("ONLY", ",".join(SUBJECTS)).split(",") if name]
    if unknown := set(chosen) - set(SUBJECTS):
        sys.exit(f"ONLY={','.join(sorted(unknown))}: subjects are {', '.join(SUBJECTS)}")
    figures: dict[str, float] = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in chosen:
        figures |= import_module(f"bench.{name}").run()
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    print(f"figures kept in {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}")


if __name__ == "__main__":
    main()
