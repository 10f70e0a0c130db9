"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real corpora and benchmarks beside the checkout, or wherever LOANWORD_TEST_DATA points."""
    folder = Path(os.environ.get("LOANWORD_TEST_DATA", SHARED_DATA))
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder}")
    return folder
