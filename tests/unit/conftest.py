"""What several of the unit tests stand on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a property pays for what is imported and compiled on the way.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, as a checkout usually is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
