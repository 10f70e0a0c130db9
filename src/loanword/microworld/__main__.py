"""`python -m loanword.microworld OUT`: writes the invented world, in every language that has a phrasebook."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from loanword.errors import UserError
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.write import SIZES, summary, write_world


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the world and says what was written; 2 for what the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m loanword.microworld", description=__doc__)
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="the folder to write to: a data root (--data) for studies"
    )
    parser.add_argument("--seed", type=int, default=1, help="which world (default: 1)")
    parser.add_argument("--size", choices=SIZES, default="small", help="how large a world (default: small)")
    parser.add_argument(
        "--languages", nargs="+", metavar="CODE", help="English and these of the languages (default: all)"
    )
    parsed = parser.parse_args(arguments)
    try:
        books = phrasebooks(parsed.languages)
        written = write_world(parsed.seed, SIZES[parsed.size], books, parsed.out)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if written is None:
        sys.stdout.write(f"World {parsed.seed} is in {parsed.out} already.\n")
    else:
        sys.stdout.write(summary(parsed.seed, written, parsed.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
