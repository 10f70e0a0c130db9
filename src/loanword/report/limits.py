"""How far the evidence for an answer reaches: each limit a sentence computed from the records behind it."""

from collections.abc import Iterable, Sequence
from itertools import chain

from loanword.report.comparisons import placed, reference_run
from loanword.report.gather import RunRecords, stage_of
from loanword.report.likelihoods import Scores
from loanword.report.questions import runs_named
from loanword.report.saying import joined, listed, say
from loanword.report.seeds import seed_arms
from loanword.report.statistics import SMALLEST_NUM_EXAMPLES, PairedDifference
from loanword.report.trust.judges import JudgeTrust
from loanword.report.wording import benchmark_name, count_text, decimal, language_name, plain

Pair = tuple[str, str]
"""Arm and control by label."""


def seed_limits(runs: Sequence[RunRecords]) -> list[str]:
    """Of one seed; of several, which numbers are means over them."""
    seeds = sorted({run.seed for run in runs})
    if len(seeds) == 1:
        return [
            say(
                "Every run was trained once, with seed {seed}: the intervals speak of other documents and questions, "
                "and not of other trainings.",
                seed=str(seeds[0]),
            )
        ]
    if any(len(arm.runs) > 1 for arm in seed_arms(runs)):
        return [
            say(
                "Bits per byte and benchmarks are means over the seeds of an arm ({seeds}); what judges say, switching "
                "and alignment are of single runs.",
                seeds=listed(map(str, seeds)),
            )
        ]
    return [
        say("Runs have the seeds {seeds}; what stands here compares runs, not seeds.", seeds=listed(map(str, seeds)))
    ]


def base_limits(runs: Sequence[RunRecords]) -> list[str]:
    """Of the one model that all runs start from."""
    sizes = sorted({found.num_parameters for run in runs for role, found in run.summaries.items() if role == "base"})
    sizes = sizes or sorted({found.num_parameters for run in runs for found in run.summaries.values()})[:1]
    if not sizes:
        return [say("All of it is about one base model; another may answer otherwise.")]
    return [
        say(
            "All of it is about a base of {parameters} parameters; a larger one, or one that read other text, may "
            "answer otherwise.",
            parameters=joined(count_text(size) for size in sizes),
        )
    ]


def text_limits(scores: Scores, languages: Iterable[str]) -> list[str]:
    """Of the held-out documents in some languages."""
    found: list[str] = []
    for language in languages:
        counts = sorted({score.num_documents for (_, spoken), score in scores.items() if spoken == language})
        if counts:
            found.append(
                say(
                    "Bits per byte of {language} are over {number} held-out documents of this study\u2019s own text.",
                    language=language_name(language),
                    number=joined(map(plain, counts)),
                )
            )
    return found


def question_limits(numbers: dict[str, int]) -> list[str]:
    """Of benchmarks with few questions, by name."""
    few = [name for name, number in numbers.items() if number < SMALLEST_NUM_EXAMPLES]
    if not few:
        return []
    return [
        say(
            "Fewer than {fewest} questions, too few to tell: {benchmarks}.",
            fewest=plain(SMALLEST_NUM_EXAMPLES),
            benchmarks=listed(benchmark_name(name) for name in few),
        )
    ]


def execution_limits(runs: Sequence[RunRecords], pairs: Iterable[Pair]) -> list[str]:
    """Of pairs whose sides were trained in different places."""
    by_label = {run.label: run for run in runs}
    found = [pair for pair in dict.fromkeys(pairs) if placed(by_label[pair[0]]) != placed(by_label[pair[1]])]
    if not found:
        return []
    labels = list(dict.fromkeys(chain.from_iterable(found)))
    return [
        say(
            "{number} of the compared pairs were built under different executions, which may change last digits: "
            "{runs}.",
            number=plain(len(found)),
            runs=runs_named(labels),
        )
    ]


def skipped_limits(runs: Sequence[RunRecords]) -> list[str]:
    """Of runs whose training left rows out."""
    labels = [run.label for run in runs if run.skipped]
    return [say("Rows were skipped in the training of {runs}.", runs=runs_named(labels))] if labels else []


def missing_limits(runs: Sequence[RunRecords], stages: Sequence[str]) -> list[str]:
    """Of runs that still lack what an answer is computed from."""
    lacking = [run.label for run in runs if any(stage_of(role) in stages for role in run.missing())]
    if not lacking:
        return []
    return [
        say(
            "{number} of {all} runs still lack records that belong here: {runs}. They are in no number.",
            number=plain(len(lacking)),
            all=plain(len(runs)),
            runs=runs_named(lacking),
        )
    ]


def detectable_limits(found: Iterable[PairedDifference | None], *, in_points: bool) -> list[str]:
    """Of differences that are too small to be seen."""
    sizes = [paired.smallest_detectable for paired in found if paired is not None and paired.standard_error > 0]
    if not sizes:
        return []
    low, high = (decimal(100 * size, 1) if in_points else decimal(size, 3) for size in (min(sizes), max(sizes)))
    highest = say("{number} points" if in_points else "{number} bits per byte", number=high)
    if low == high:
        return [say("A difference of less than {amount} would go unseen more than once in five times.", amount=highest)]
    return [
        say(
            "The smallest difference that would be seen four times in five lies between {low} and {high}, by the pair.",
            low=low,
            high=highest,
        )
    ]


def judge_limits(trusts: Sequence[JudgeTrust]) -> list[str]:
    """Of judges that nobody has checked."""
    unchecked = list(dict.fromkeys(one.judge for one in trusts if one.facts.kind != "people" and not one.is_checked))
    if not unchecked:
        return []
    return [say("Not checked against people: what {judges} says of responses.", judges=joined(unchecked))]


def reference_limits(runs: Sequence[RunRecords]) -> list[str]:
    """Of studies without the base as it came."""
    if reference_run(runs) is not None:
        return []
    return [say("No run of this study is the untouched base, so that nothing is compared with it.")]
