"""Draw every diagram of this folder with D2, offline: `make diagrams`.

Each SVG ends with the digest of the sources it was drawn from, so that a test finds one that was not drawn anew.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
STYLE = FOLDER / "style.d2"


def sources() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.d2") if path != STYLE)


def mark(source: Path) -> str:
    """Return the comment that names what an SVG was drawn from."""
    return f"<!-- drawn from {hashlib.sha256(STYLE.read_bytes() + source.read_bytes()).hexdigest()} -->\n"


def draw(source: Path) -> None:
    target = source.with_suffix(".svg")
    d2 = Path(sys.executable).with_name("d2")
    subprocess.run([d2, "--layout", "dagre", source, target], check=True)
    target.write_text(target.read_text().rstrip() + "\n" + mark(source))


if __name__ == "__main__":
    for each in sources():
        draw(each)
