"""`loanword compare A B`: two finished evaluations, paired example by example.

No model is asked: whatever differs is computed from the records of both.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loanword.cli.amounts import table
from loanword.cli.measured import interval, plain, read_evaluation
from loanword.errors import UserError
from loanword.records import Grade
from loanword.report.facts import BenchmarkFacts
from loanword.report.gather import RunRecords
from loanword.report.knowledge import score_knowledge
from loanword.report.pairing import Pairing, SubjectPair, pair
from loanword.report.statistics import SIGNIFICANCE, SMALLEST_NUM_EXAMPLES
from loanword.report.wording import p_text
from loanword.study.file import flat

EXAMPLES_SHOWN = 10
SUBJECTS_SHOWN = 10
SELECTION = ("limit_examples", "subjects")
"""Settings that choose examples, and change none of those that both were asked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `compare`."""
    meant = "a model that was evaluated, its name in STORE/evaluations, or a folder of records (a study's run too)"
    parser.add_argument("arm", metavar="A", help=meant)
    parser.add_argument("control", metavar="B", help="what A is measured against, named the same way")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where records are kept (default: ./store)")
    parser.add_argument("--benchmarks", nargs="+", default=[], metavar="NAME", help="only these (default: all shared)")
    parser.add_argument(
        "--examples", type=int, default=EXAMPLES_SHOWN, metavar="N",
        help=f"changed examples to show in each direction (default: {EXAMPLES_SHOWN})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for machines: every changed example")


def run(arguments: argparse.Namespace) -> int:
    """Prints the pairing of every benchmark that both were asked."""
    if arguments.examples < 0:
        raise UserError(f"--examples {arguments.examples}", "is less than nothing", do="give 0 or more")
    arm, control = (_read(name, arguments.store) for name in (arguments.arm, arguments.control))
    compared = _compared(arguments, arm, control)
    if arguments.json:
        values = {name: _values(found) for name, (found, _) in compared.items()}
        said = {"arm": arm.label, "control": control.label, "benchmarks": values}
        print(json.dumps(said, ensure_ascii=False, indent=2))
        return 0
    print(f"A: {arm.label}\nB: {control.label}")
    for name, (found, differ) in compared.items():
        _print(name, found, differ, arguments.examples)
    for title, one, other in (("A", arm, control), ("B", control, arm)):
        if alone := [name for name in one.grades if name not in other.grades]:
            print(f"\nonly {title} was asked: {', '.join(alone)}")
    print(
        "\nDifferences are A minus B, in points of a hundred, with 95 % intervals. p of subjects: McNemar's exact test."
    )
    return 0


def _read(name: str, store: Path) -> RunRecords:
    folder = _folder(name, store)
    artifacts = {
        entry.name: entry.resolve() for entry in sorted(folder.iterdir()) if "." in entry.name or entry.is_symlink()
    }
    graded = {role: path for role, path in artifacts.items() if role.partition(".")[0] in ("grades", "responses")}
    if not any(role.startswith("grades.") for role in graded):
        raise UserError(
            folder,
            "no graded benchmark in it",
            expected="links grades.NAME, as `loanword evaluate` and `loanword run` leave them",
            do="evaluate the model on a benchmark first",
        )
    return read_evaluation(folder.name, graded)


def _folder(name: str, store: Path) -> Path:
    """The folder of links that a name stands for."""
    evaluations = store / "evaluations"
    if (evaluations / name).is_dir():
        return evaluations / name
    if Path(name).is_dir() and any(Path(name).glob("grades.*")):
        return Path(name)
    base = Path(name).name
    there = sorted(entry.name for entry in evaluations.iterdir()) if evaluations.is_dir() else []
    found = [entry for entry in there if entry.rpartition("-")[0] == base]
    if len(found) == 1:
        return evaluations / found[0]
    raise UserError(
        name,
        "names several evaluations" if found else "was not evaluated into this store",
        expected=f"one of {', '.join(found or there) or 'what `loanword evaluate` left there'}, or a folder of records",
        do=f"name one of them; the store is {store}",
    )


def _compared(
    arguments: argparse.Namespace, arm: RunRecords, control: RunRecords
) -> dict[str, tuple[Pairing, list[str]]]:
    """By benchmark, the pairing, and what of the way of asking differs.

    Raises:
        UserError: a benchmark that only one of them has; none that both have.
    """
    ours, theirs = ({name: score for (_, name), score in score_knowledge([run]).items()} for run in (arm, control))
    shared = [name for name in ours if name in theirs]
    lacking = [wanted for wanted in arguments.benchmarks if not any(_is(name, wanted) for name in shared)]
    names = [name for name in shared if not arguments.benchmarks or any(_is(name, one) for one in arguments.benchmarks)]
    paired = {name: found for name in names if (found := pair(ours[name], theirs[name])) is not None}
    if lacking or not paired:
        raise UserError(
            f"{arm.label} and {control.label}",
            f"not both were asked {', '.join(lacking)}" if lacking else "were asked no example in common",
            expected=f"a benchmark of both; A has {', '.join(ours) or 'none'}, B has {', '.join(theirs) or 'none'}",
            do="evaluate both in the same way",
        )
    for name, found in paired.items():
        if found.num_other_answers:
            raise UserError(
                name,
                f"right answers of {found.num_other_answers} of {found.num_examples} examples differ between A and B",
                expected="the same questions",
                do="evaluate both on the same files",
            )
    return {
        name: (found, _other_settings(arm.benchmarks[name], control.benchmarks[name])) for name, found in paired.items()
    }


def _is(name: str, wanted: str) -> bool:
    """Whether a short name is of a benchmark, however it was asked."""
    return name == wanted or name.startswith(f"{wanted}_")


def _other_settings(ours: BenchmarkFacts, theirs: BenchmarkFacts) -> list[str]:
    asked, other = (
        {"num_shots": facts.num_shots, "extraction": facts.extraction, **flat(facts.config)} for facts in (ours, theirs)
    )
    return [
        f"{name} {asked.get(name)} against {other.get(name)}"
        for name in dict.fromkeys([*asked, *other])
        if name not in SELECTION and asked.get(name) != other.get(name)
    ]


def _values(found: Pairing) -> dict[str, Any]:
    return {
        "score": found.score_name,
        "difference": plain(found.headline.difference),
        "p_value": found.headline.p_value,
        "mcnemar_p": found.mcnemar_p,
        "smallest_detectable": found.headline.smallest_detectable,
        "num_examples": found.num_examples,
        "num_alone": found.num_alone,
        "gained": [_example(both) for both in found.gained],
        "lost": [_example(both) for both in found.lost],
        "subjects": [
            {
                "subject": one.subject,
                "num_examples": one.num_examples,
                "arm": one.arm,
                "control": one.control,
                "difference": plain(one.paired.difference),
                "p_value": one.paired.p_value,
                "p_holm": one.adjusted_p,
            }
            for one in found.subjects
        ],
    }


def _example(both: tuple[Grade, Grade]) -> dict[str, str]:
    ours, theirs = both
    given = {"given_by_arm": ours.given, "given_by_control": theirs.given}
    return {"id": ours.id, "subject": ours.subject, "answer": ours.answer, **given}


def _print(name: str, found: Pairing, differ: Sequence[str], num_shown: int) -> None:
    headline = found.headline
    print(
        f"\n{name}: {found.num_examples:,} examples of both"
        + (f", {found.num_alone:,} of one only" * bool(found.num_alone))
    )
    if differ:
        print(f"  asked in different ways, which may be all that differs: {'; '.join(differ)}")
    print(f"  {found.score_name}: {interval(plain(headline.difference), 100, 2)} points, by paired bootstrap")
    if found.gained or found.lost:
        print(
            f"  correct under A only: {len(found.gained):,}; under B only: {len(found.lost):,} "
            f"(McNemar's exact test, p {p_text(found.mcnemar_p)}); a true difference of "
            f"{100 * headline.smallest_detectable:.2f} points would be seen in four of five repetitions"
        )
    else:
        print("  no example is correct under one of them only")
    if found.num_examples < SMALLEST_NUM_EXAMPLES:
        print(f"  fewer than {SMALLEST_NUM_EXAMPLES} examples: not enough data for either")
    _print_subjects(found)
    for title, pairs, other in (("correct under A only", found.gained, 1), ("correct under B only", found.lost, 0)):
        if pairs and num_shown:
            listed = "; ".join(_changed(both, other) for both in pairs[:num_shown])
            more = len(pairs) - num_shown
            print(f"  {title}: {listed}" + (f" and {more:,} more" if more > 0 else ""))


def _print_subjects(found: Pairing) -> None:
    told = [one for one in found.subjects if one.adjusted_p < SIGNIFICANCE]
    if len(found.subjects) > 1:
        print(f"  subjects that differ (p < {SIGNIFICANCE:g} after Holm over {len(found.subjects)}): {len(told)}")
        shown = sorted(told or found.subjects, key=lambda one: one.paired.p_value)[:SUBJECTS_SHOWN]
        table([("    subject", "questions", "A", "B", "A - B", "p", "p (Holm)"), *map(_subject_row, shown)])


def _changed(both: tuple[Grade, Grade], wrong: int) -> str:
    """An example that one of both got wrong, and what was given there."""
    return f"{both[0].id} ({both[0].answer}, {'AB'[wrong]} gave {both[wrong].given or 'nothing'})"


def _subject_row(one: SubjectPair) -> tuple[str, ...]:
    return (
        f"    {one.subject}",
        f"{one.num_examples:,}",
        f"{100 * one.arm:.1f}",
        f"{100 * one.control:.1f}",
        interval(plain(one.paired.difference), 100, 1),
        p_text(one.paired.p_value),
        p_text(one.adjusted_p),
    )
