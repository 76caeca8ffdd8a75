"""What several files of this folder share."""

from collections.abc import Iterator

import pytest

from tests.integration.recipes import Copy, copied


@pytest.fixture(scope="session")
def copy() -> Iterator[Copy]:
    """One copy for all recipes: a project in which each has been followed."""
    with copied() as made:
        yield made
