"""Print the tables and store the figures: `python -m bench`, or ONLY=engine,batch python -m bench.

bench/out/latest.json is one flat object of figures by name. A run of some subjects replaces only their figures. Each
subject also records the share of processor time that other guests of the machine took, which may explain a slow run.
With BEFORE=commit, that commit runs first, and a table compares the two.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

import psutil

from bench import before

SUBJECTS = (
    *("engine", "batch", "day", "quotes", "exports", "faults", "sockets", "live", "reads", "doors", "forwards"),
    *("history", "chain", "positions", "indicators", "functions", "configs", "configured"),
)
MODULES = {
    "history": ("history", "history_import", "history_live", "history_greeks"),
    "chain": ("chain", "chain_live", "chain_http"),
}
"""The modules of a subject, where it has not one of its own name."""
OUT = Path(__file__).parent / "out" / "latest.json"


def main() -> None:
    chosen = [name for name in os.environ.get("ONLY", ",".join(SUBJECTS)).split(",") if name]
    if unknown := set(chosen) - set(SUBJECTS):
        sys.exit(f"ONLY={','.join(sorted(unknown))}: subjects are {', '.join(SUBJECTS)}")
    commit = os.environ.get("BEFORE", "")
    figures_before = before.run(commit, chosen) if commit else {}
    figures: dict[str, float] = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in chosen:
        begun = psutil.cpu_times()
        for module in MODULES.get(name, (name,)):
            figures |= import_module(f"bench.{module}").run()
        figures[f"{name}.stolen_percent"] = stolen = stolen_percent(begun)
        print(f"({stolen:.0f} % of the processors' time went to other guests of the machine)")
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    if commit:
        before.show(commit, figures_before, figures)
    print(f"figures stored in {OUT.relative_to(Path.cwd()) if OUT.is_relative_to(Path.cwd()) else OUT}")


def stolen_percent(since: object) -> float:
    """Return the share of processor time since then that the host of a virtual machine withheld; 0 if unknown."""
    spent = {name: now - getattr(since, name) for name, now in psutil.cpu_times()._asdict().items()}
    total = sum(spent[name] for name in spent.keys() - {"guest", "guest_nice"})  # user and nice include them
    return 100 * spent.get("steal", 0.0) / total if total else 0.0


if __name__ == "__main__":
    main()
