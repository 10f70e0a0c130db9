"""`python -m bench [NAME...] [--quick]`: runs benches, prints a table and a line of JSON for each; 1 below a goal."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bench


def main() -> int:
    """All benches of the folder, or those named; the lines of JSON come last."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed and memory against the goals.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(bench.names())} (default: all)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a smoke run on little work: a ratio below its goal is printed and no failure",
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(bench.names()))
    if unknown:
        parser.error(f"no bench is called {', '.join(unknown)}; there are {', '.join(bench.names())}")
    lines: list[dict[str, Any]] = []
    for name in arguments.names or bench.names():
        started = time.perf_counter()
        result = bench.load(name).run(quick=arguments.quick)
        if "skipped" in result:
            print(f"{name}: not run, {result['skipped']}\n", flush=True)
            lines.append({"name": name, "skipped": result["skipped"], "passed": True, "machine": machine()})
            continue
        print_table(result["name"], result["rows"])
        print(f"{time.perf_counter() - started:.1f} s\n", flush=True)
        lines.append(line(result, quick=arguments.quick))
    for one in lines:
        print(json.dumps(one, ensure_ascii=False))
    # A smoke run says that a bench works; how fast it is, on a busy machine, is for the whole one to say.
    return 0 if arguments.quick or all(one["passed"] for one in lines) else 1


def line(result: Mapping[str, Any], *, quick: bool) -> dict[str, Any]:
    """What is kept of a bench: its ratio, its goal, and where it was measured."""
    return {
        "name": result["name"],
        "ratio": round(result["ratio"], 3),
        "goal": result["goal"],
        "passed": result["ratio"] >= result["goal"],
        "quick": quick,
        "machine": machine(),
    }


def machine() -> str:
    """The processor, its cores and the accelerators, in words that name no host."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    words = [_processor(), f"{cores} cores", f"Python {platform.python_version()}"]
    torch = sys.modules.get("torch")
    if torch is not None:
        words.append(f"torch {torch.__version__}")
        if torch.cuda.is_available():
            words.append(torch.cuda.get_device_name())
    return ", ".join(words)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for text in information.read_text(encoding="utf-8").splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as columns under their keys; numbers to the right, with four figures."""
    print(title)
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    right = [any(isinstance(row.get(column), int | float) for row in rows) for column in columns]
    for row in cells:
        padded = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        )
        print("  " + "  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
