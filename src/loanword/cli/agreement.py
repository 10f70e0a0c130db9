"""`loanword agreement JUDGE [HUMAN]`: how far a judge agrees with people or another judge, and what it does alone.

No model is asked: everything is computed from files of ratings.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loanword.cli.rating_files import RatingFile, read_ratings, scaled
from loanword.errors import UserError
from loanword.report.trust.rated import (
    GroupAgreement,
    ItemAgreement,
    Side,
    agreements,
    by_group,
    num_shared,
    shared_items,
    with_overall,
)
from loanword.report.trust.rated_alone import LengthEffect, Repeats, Saturation, lengths_of, repeats_of, saturation_of
from loanword.report.trust.rated_systems import (
    SMALLEST_NUM_SYSTEMS,
    SystemAgreement,
    SystemMean,
    SystemPair,
    neighbours,
    ranked,
    system_agreements,
)


@dataclass(frozen=True)
class Alone:
    """What one file of single ratings shows by itself; systems are compared on the first of its items."""

    name: str
    ranked_by: str
    repeats: tuple[Repeats, ...]
    saturation: tuple[Saturation, ...]
    lengths: tuple[LengthEffect, ...]
    systems: tuple[SystemMean, ...]
    neighbours: tuple[SystemPair, ...]


@dataclass(frozen=True)
class Found:
    """Everything that one or two files of ratings show."""

    systems: tuple[SystemAgreement, ...]
    only_one_has: tuple[str, ...]
    items: tuple[ItemAgreement, ...]
    categories: tuple[GroupAgreement, ...]
    languages: tuple[GroupAgreement, ...]
    alone: tuple[Alone, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `agreement`."""
    parser.add_argument(
        "judge", type=Path, metavar="JUDGE",
        help="ratings.jsonl of the store or its folder, single scores or a summary as LLM-Eval publishes them (.csv, "
        ".csv.gz), or what people gave (.jsonl)",
    )  # fmt: skip
    parser.add_argument(
        "human", type=Path, nargs="?", metavar="HUMAN",
        help="what people, or another judge, gave the same responses or systems; without it, JUDGE is looked at alone",
    )  # fmt: skip
    parser.add_argument("--items", nargs="+", default=[], metavar="ITEM", help="only these (default: all shared)")
    parser.add_argument(
        "--same", action="append", default=[], metavar="NAME=OTHER", help="a system that both files name differently"
    )
    parser.add_argument(
        "--responses",
        type=Path,
        metavar="FILE",
        help="responses.jsonl: people's ratings of other responses are left out",
    )
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """Prints agreement by system, item, category and language, then each side by itself."""
    from loanword.cli.agreement_shown import show

    paths: list[Path] = [arguments.judge, *([arguments.human] if arguments.human else [])]
    files = _renamed([read_ratings(path, responses=arguments.responses) for path in paths], arguments.same)
    if len(files) == 1:
        found = _alone_only(files[0], arguments.items)
    else:
        judge, other = scaled(files[0], files[1]), scaled(files[1], files[0])
        found, files = compare(judge, other, arguments.items), [judge, other]
    if arguments.json:
        print(json.dumps(_plain(found, files), ensure_ascii=False, indent=2))
        return 0
    show(found, files)
    return 0


def _renamed(files: Sequence[RatingFile], pairs: Sequence[str]) -> list[RatingFile]:
    systems = dict.fromkeys(system for file in files for system in file.means)
    renamed: dict[str, str] = {}
    for pair in pairs:
        name, equals, other = pair.partition("=")
        if not (name and equals and other):
            raise UserError(f"--same {pair}", "not a pair of names", expected="NAME=OTHER")
        lacking = [one for one in (name, other) if one not in systems]
        if lacking:
            raise UserError(
                f"--same {pair}", f"no file has {lacking[0]}", expected=f"{', '.join(systems) or 'no system'}"
            )
        if name in renamed:
            raise UserError(f"--same {pair}", f"{name} is named already", expected="each name once")
        renamed[name] = other
    return [_with_names(file, renamed) for file in files]


def _with_names(file: RatingFile, renamed: Mapping[str, str]) -> RatingFile:
    """The same ratings, some systems by other names; no two systems may come to have one name."""
    first: dict[str, str] = {}
    for system in file.means:
        name = renamed.get(system, system)
        if first.setdefault(name, system) != system:
            raise UserError(
                file.path,
                f"{first[name]} and {system} are two systems there",
                expected="one system of each file",
            )
    side = file.side
    if side is not None:
        responses = (replace(one, system=renamed.get(one.system, one.system)) for one in side.responses)
        side = replace(side, responses=tuple(responses))
    return replace(file, means={name: file.means[system] for name, system in first.items()}, side=side)


def compare(judge: RatingFile, other: RatingFile, items: Sequence[str]) -> Found:
    """Agreement of two files on whatever both hold: single ratings, means of systems, or both.

    Raises:
        UserError: nothing that both hold, or items that they do not share.
    """
    where = f"{judge.path} and {other.path}"
    shared = [item for item in judge.items if item in other.items]
    chosen = _chosen(where, shared, items)
    systems = system_agreements(judge.means, other.means, chosen)
    found: tuple[ItemAgreement, ...] = ()
    categories: tuple[GroupAgreement, ...] = ()
    languages: tuple[GroupAgreement, ...] = ()
    if judge.side is not None and other.side is not None and num_shared(judge.side, other.side):
        found = tuple(one for one in agreements(judge.side, other.side) if not items or one.item in items)
        named = [one.item for one in found[:1]]
        if named:
            categories = by_group(judge.side, other.side, named, lambda one: one.subject)
            languages = by_group(judge.side, other.side, named, lambda one: one.language)
    if not systems and not found:
        raise UserError(
            where,
            _nothing_shared(judge, other),
            expected=f"the same responses under the same ids, or at least {SMALLEST_NUM_SYSTEMS} systems of both",
            do="name systems that are called differently: --same NAME=OTHER" if judge.means and other.means else "",
        )
    return Found(
        systems=systems,
        only_one_has=tuple(sorted(set(judge.means) ^ set(other.means))) if judge.means and other.means else (),
        items=found,
        categories=categories if len(categories) > 1 else (),
        languages=languages if len(languages) > 1 else (),
        alone=tuple(
            _alone(one.side, items, beside.side)
            for one, beside in ((judge, other), (other, judge))
            if one.side is not None
        ),
    )


def _nothing_shared(judge: RatingFile, other: RatingFile) -> str:
    if judge.means and other.means:
        num = len(set(judge.means) & set(other.means))
        return f"{num} of {len(judge.means)} and {len(other.means)} systems have a name in common"
    if judge.side and other.side:
        return "no response is rated by both"
    return "one holds means of systems, the other ratings of one system's responses"


def _chosen(where: str, there: Sequence[str], items: Sequence[str]) -> list[str]:
    lacking = [item for item in items if item not in there]
    if lacking:
        raise UserError(
            f"--items {' '.join(lacking)}", f"not in {where}", expected=f"one of {', '.join(there) or 'none'}"
        )
    return list(items or there)


def _alone_only(judge: RatingFile, items: Sequence[str]) -> Found:
    if judge.side is None:
        raise UserError(
            judge.path,
            "means of systems, of which nothing can be told alone",
            expected="ratings of single responses, or a second file of ratings",
        )
    _chosen(str(judge.path), judge.items, items)
    return Found((), (), (), (), (), (_alone(judge.side, items, None),))


def _alone(side: Side, items: Sequence[str], other: Side | None) -> Alone:
    everything = with_overall(side.items)
    ranked_by = items[0] if items else everything[0]
    several = len(side.systems) > 1
    compared = other if other is not None and num_shared(side, other) and shared_items(side, other) else None
    return Alone(
        name=side.name,
        ranked_by=ranked_by,
        repeats=tuple(one for one in repeats_of(side) if not items or one.item in items),
        saturation=tuple(one for one in saturation_of(side) if not items or one.item in items),
        lengths=tuple(one for one in lengths_of(side, compared) if not items or one.item in items),
        systems=ranked(side, ranked_by) if several else (),
        neighbours=neighbours(side, ranked_by) if several else (),
    )


def _plain(found: Found, files: Sequence[RatingFile]) -> dict[str, Any]:
    said = asdict(found)
    for alone, side in zip(said["alone"], found.alone, strict=True):
        for pair, one in zip(alone["neighbours"], side.neighbours, strict=True):
            pair["is_told_apart"], pair["pairing_gain"] = one.is_told_apart, one.pairing_gain
    named = zip(("judge", "human"), files, strict=False)
    return {
        **{
            role: {"path": str(file.path), "layout": file.layout, "kind": file.kind, "notes": list(file.notes)}
            for role, file in named
        },
        **said,
    }
