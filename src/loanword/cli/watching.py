"""One bar with the time left, on a terminal; nothing elsewhere."""

from collections.abc import Generator
from contextlib import contextmanager

from loanword.protocols import Progress


@contextmanager
def watched(title: str) -> Generator[Progress]:
    """A Progress that is drawn on stderr until it is left."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    bar = progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=24),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[unit]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=None, unit="")
        yield lambda done, total, unit: bar.update(task, completed=done, total=total, unit=unit)
