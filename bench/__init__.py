"""Speed and memory against stated goals: one module a bench, each with `run(quick: bool) -> dict`.

A bench returns `name`, `ratio` (what was reached), `goal` (the least ratio that passes) and `rows`, a list of
tables' lines as dicts. Arms that are compared run interleaved in one call, so that a busy machine slows both.
"""

import importlib
import pkgutil
from typing import Any, Protocol, cast


class Bench(Protocol):
    """A module of this folder."""

    def run(self, quick: bool) -> dict[str, Any]: ...


def names() -> list[str]:
    """The benches that are here, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> Bench:
    """One bench, imported only now: they import what they measure, and the peers."""
    return cast("Bench", importlib.import_module(f"bench.{name}"))
