"""The four questions as sections of the page: verdict, table, figure, and how far the evidence reaches."""

from collections.abc import Sequence

from loanword.report.alignment.scores import AlignmentComparison, vocabulary_controls
from loanword.report.alignment.tables import alignment_figure, alignment_tables
from loanword.report.figures import budget_figure
from loanword.report.gather import RunRecords
from loanword.report.knowledge import benchmark_titles, benchmarks_of
from loanword.report.likelihoods import languages_of
from loanword.report.limits import (
    base_limits,
    detectable_limits,
    execution_limits,
    judge_limits,
    missing_limits,
    question_limits,
    reference_limits,
    seed_limits,
    skipped_limits,
    text_limits,
)
from loanword.report.questions import (
    aligned_verdict,
    amounts_verdict,
    loss_verdict,
    replay_differences,
    replay_pairs,
    vocabulary_verdict,
)
from loanword.report.retention import BITS, retained, retention_table, source_of, tradeoff_figure
from loanword.report.saying import say
from loanword.report.section import Section, filled, known, present
from loanword.report.seeds import Arms
from loanword.report.steps import steps, steps_table
from loanword.report.trust.judges import JudgeTrust
from loanword.report.vocabulary import VocabularyPair
from loanword.report.vocabulary_tables import break_even_table, compute_figure, levels_table
from loanword.report.vocabulary_words import answers
from loanword.report.wording import language_name, plain


def ask(
    runs: Sequence[RunRecords],
    arms: Arms,
    pairs: Sequence[VocabularyPair],
    trusts: Sequence[JudgeTrust],
    aligned: Sequence[AlignmentComparison],
) -> tuple[Section, ...]:
    """The four questions, in the paper's order, of arms where seeds are averaged and of single runs elsewhere."""
    seeds = seed_limits(runs)
    return (
        _vocabulary(arms, pairs, seeds),
        _amounts(arms, trusts, seeds),
        _loss(arms, seeds),
        _aligned(runs, aligned, seeds),
    )


def _vocabulary(arms: Arms, pairs: Sequence[VocabularyPair], seeds: Sequence[str]) -> Section:
    runs, scores = arms.runs, arms.scores
    levels = [level for pair in pairs for level in pair.levels]
    compared = [(arm.label, control.label) for arm, control in vocabulary_controls(runs)]
    return Section(
        "larger-vocabulary",
        "Does a larger vocabulary help?",
        "",
        present(compute_figure(pairs, scores)),
        (*filled(levels_table(pairs)), *filled(break_even_table(pairs))),
        verdict=vocabulary_verdict(answers(pairs), pairs),
        limits=(
            *seeds,
            *text_limits(scores, dict.fromkeys(pair.target for pair in pairs)),
            *detectable_limits((level.equal_text.paired for level in levels), in_points=False),
            *execution_limits(runs, compared),
            *skipped_limits(runs),
            *missing_limits(runs, ("likelihoods", "pretraining", "tokenizer")),
            *base_limits(runs),
        ),
        more=("vocabulary", "tokenizers", "comparisons"),
    )


def _amounts(arms: Arms, trusts: Sequence[JudgeTrust], seeds: Sequence[str]) -> Section:
    runs, scores, knowledge = arms.runs, arms.scores, arms.knowledge
    found = steps(runs, scores, knowledge)
    targets = dict.fromkeys(str(run.settings["target"]) for run in runs if "target" in run.settings)
    asked = {one.role.partition(".")[2] for one in found if one.role.startswith("grades.")}
    numbers = {
        name: max(score.num_questions for (_, of), score in knowledge.items() if of == name)
        for name in benchmarks_of(runs)
        if name in asked and any(of == name for _, of in knowledge)
    }
    return Section(
        "how-much",
        "How much text, and how many instructions, does it take?",
        "",
        present(budget_figure(runs, scores)),
        known(steps_table(found)),
        verdict=amounts_verdict(found),
        limits=(
            *seeds,
            *text_limits(scores, targets),
            *question_limits(numbers),
            *detectable_limits((one.paired for one in found if one.about == "text"), in_points=False),
            *judge_limits(trusts),
            *execution_limits(runs, ((one.arm, one.control) for one in found)),
            *skipped_limits(runs),
            *missing_limits(runs, ("likelihoods", "pretraining", "tuning", "grades", "ratings")),
            *base_limits(runs),
        ),
        more=("language", "knowledge", "quality", "training"),
    )


def _loss(arms: Arms, seeds: Sequence[str]) -> Section:
    runs, scores, knowledge = arms.runs, arms.scores, arms.knowledge
    source = source_of(runs)
    found, replayed = retained(runs, scores, knowledge), replay_differences(runs, scores)
    bits = [one.paired for one in found if one.measure == BITS]
    other = sorted({one.measure for one in found if one.measure != BITS})
    benchmarks = (
        say(
            "Benchmarks in {language} beside its text: {number}.",
            language=language_name(source),
            number=plain(len(other)),
        )
        if other
        else say(
            "No benchmark in {language} was asked: bits per byte alone may hide what was forgotten.",
            language=language_name(source),
        )
    )
    return Section(
        "retention",
        say("What does {language} lose, and does replay prevent it?", language=language_name(source)),
        "",
        present(tradeoff_figure(runs, scores)),
        known(retention_table(found, runs, benchmark_titles(benchmarks_of(runs)))),
        verdict=loss_verdict(runs, found, replayed),
        limits=(
            *reference_limits(runs),
            *seeds,
            *(text_limits(scores, (source,)) if source in languages_of(runs) else ()),
            *((benchmarks,) if found else ()),
            *detectable_limits((*bits, *(one.paired for one in replayed)), in_points=False),
            *execution_limits(runs, replay_pairs(runs)),
            *skipped_limits(runs),
            *missing_limits(runs, ("likelihoods", "pretraining", "grades")),
            *base_limits(runs),
        ),
        more=("language", "knowledge", "comparisons"),
    )


def _aligned(runs: Sequence[RunRecords], compared: Sequence[AlignmentComparison], seeds: Sequence[str]) -> Section:
    differences = [one.paired for found in compared for one in found.differences]
    cut = any(layer.num_cut for run in runs for layer in run.alignment)
    return Section(
        "aligned",
        "Are the languages aligned, and does switching between them show it?",
        "",
        present(alignment_figure(runs)),
        alignment_tables(runs, ()),
        verdict=aligned_verdict(runs),
        limits=(
            say("To be nearest by cosine is one way to be aligned; what a model does with it is not measured by it."),
            *seeds,
            *((say("Some sentences were longer than the context and were cut."),) if cut else ()),
            *detectable_limits(differences, in_points=True),
            say("What counts as a switch is found by rules and word lists, whose errors the documentation gives."),
            *missing_limits(runs, ("alignment", "switching")),
            *base_limits(runs),
        ),
        more=("alignment", "switching"),
    )
