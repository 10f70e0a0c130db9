"""`python -m loanword.microworld OUT`: writes the invented world, in every language that has a phrasebook."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from loanword.errors import UserError
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.world import World, make_world
from loanword.microworld.write import SIZES, Written, write_world


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the world and says what was written; 2 for what the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m loanword.microworld", description=__doc__)
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="the folder to write to: a data root (--data) for studies"
    )
    parser.add_argument("--seed", type=int, default=1, help="which world (default: 1)")
    parser.add_argument("--size", choices=SIZES, default="small", help="how large a world (default: small)")
    parsed = parser.parse_args(arguments)
    size = SIZES[parsed.size]
    try:
        world = make_world(parsed.seed, size.scale)
        written = write_world(world, phrasebooks(), size, parsed.out)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(_summary(world, written, parsed.out))
    return 0


def _summary(world: World, written: Sequence[Written], out: Path) -> str:
    told = Counter(fact.told for fact in world.facts)
    lines = [
        f"World {world.seed}: {len(world.kinds):,} entities, {len(world.facts):,} facts "
        f"({told['everywhere']:,} told in every language, {told['source']:,} in English only, "
        f"{told['targets']:,} in every language but English)"
    ]
    for path, num_lines, unit in written:
        lines.append(f"  {path.relative_to(out)!s:<26} {num_lines:>9,} {unit:<12} {path.stat().st_size:>11,} bytes")
    return "\n".join([*lines, f"in {out}", ""])


if __name__ == "__main__":
    sys.exit(main())
