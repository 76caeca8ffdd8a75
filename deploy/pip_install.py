"""The build backend that pyproject.toml names: `pip install .` says what to do instead."""

import sys
from typing import NoReturn

WHAT_TO_DO = """
Signal Service is not installed by pip: it runs from this folder.
  the service:         make setup, then make up    (README.md)
  its Python client:   pip install ./batch/client  (docs/client.md)
"""


def _refuse(*arguments: object, **options: object) -> NoReturn:
    sys.exit(WHAT_TO_DO)


get_requires_for_build_wheel = get_requires_for_build_editable = get_requires_for_build_sdist = _refuse
build_wheel = build_editable = build_sdist = _refuse
