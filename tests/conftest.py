"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import hypothesis
import pytest

# Time is not behaviour: a busy machine must not fail an example. In CI the examples are the same every time.
hypothesis.settings.register_profile(
    "loanword",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("loanword")

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real corpora and benchmarks beside the checkout, or wherever LOANWORD_TEST_DATA points."""
    folder = Path(os.environ.get("LOANWORD_TEST_DATA", SHARED_DATA))
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder}")
    return folder
