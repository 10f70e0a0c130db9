"""Lines that one process writes and others read meanwhile, also on other machines that share the file system."""

from pathlib import Path


def append_line(path: Path, line: str) -> None:
    """Adds a line. The file is opened and closed for it: who opens it later, anywhere, sees what was written."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def whole_lines(path: Path, begin: int) -> tuple[list[str], int]:
    """The lines of a file from a byte on, without one that is being written, and the byte behind them.

    None where the file is not there.
    """
    try:
        with path.open("rb") as file:
            file.seek(begin)
            read = file.read()
    except FileNotFoundError:
        return [], begin
    end = read.rfind(b"\n") + 1
    return read[:end].decode("utf-8").splitlines(), begin + end
