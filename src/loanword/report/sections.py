"""The report's sections: which figures, tables and findings stand together, in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from loanword.report.alignment.scores import AlignmentComparison, compare_alignment
from loanword.report.alignment.tables import alignment_layer_tables, alignment_tables
from loanword.report.alignment.words import alignment_findings
from loanword.report.asked import ask
from loanword.report.comparisons import all_pairs, compare
from loanword.report.consistency import consistencies, consistency_table
from loanword.report.corpora import example_groups, text_tables
from loanword.report.figures import curves_figure, knowledge_figure, tokenizers_figure
from loanword.report.gather import RunRecords, StudyInfo
from loanword.report.initialisers import probe_tables
from loanword.report.knowledge import Knowledge, score_knowledge
from loanword.report.likelihoods import Scores, score_languages
from loanword.report.overlap import source_overlaps, split_scores
from loanword.report.overlap_tables import overlap_tables, touched_tables
from loanword.report.provenance import Origins
from loanword.report.published.tables import beside
from loanword.report.quality.excerpts import switching_excerpts
from loanword.report.quality.scores import JudgedBenchmark, assess
from loanword.report.quality.switching import switching_differences, switching_findings, switching_tables
from loanword.report.quality.tables import quality_tables
from loanword.report.quality.words import quality_findings
from loanword.report.scaling import bits_curves, crossings, laws, quality_curves
from loanword.report.scaling_tables import crossings_table, laws_table, scaling_figure, scaling_findings
from loanword.report.section import Section, filled, known, present
from loanword.report.seeds import Arms, over_seeds, run_pairs, seeds_table
from loanword.report.spending import spending_table, time_table
from loanword.report.subjects import subject_tables
from loanword.report.summary import Finding, findings, knowledge_findings, vocabulary_findings
from loanword.report.tables import (
    comparisons_table,
    knowledge_tables,
    likelihood_tables,
    settings_table,
    shared_settings,
)
from loanword.report.tokenizers import tokenizers_table
from loanword.report.trust.judges import JudgeTrust, all_trusts, trust_notes
from loanword.report.trust.tables import trust_tables
from loanword.report.vocabulary import VocabularyPair, vocabulary_pairs
from loanword.report.vocabulary_tables import (
    costs_table,
    extensions_table,
)
from loanword.report.vocabulary_words import answers


@dataclass(frozen=True)
class Report:
    """Everything that the page shows."""

    study: StudyInfo
    runs: tuple[RunRecords, ...]
    findings: tuple[Finding, ...]
    shared: tuple[tuple[str, str], ...]
    questions: tuple[Section, ...]
    details: tuple[Section, ...]

    @cached_property
    def origins(self) -> Origins:
        """The artifacts behind its numbers."""
        return Origins(self.runs)

    @property
    def sections(self) -> tuple[Section, ...]:
        """All of its parts, the questions first."""
        return (*self.questions, *self.details)


def compose(runs: Sequence[RunRecords], study: StudyInfo) -> Report:
    """Everything that a study's records show."""
    scores, knowledge = score_languages(runs), score_knowledge(runs)
    arms = over_seeds(runs, scores, knowledge)
    pairs = vocabulary_pairs(arms.runs, arms.scores)
    comparisons = compare(all_pairs(study, arms.runs, arms.scores), arms.and_seeds, arms.scores, arms.knowledge)
    judged, trusts = assess(runs, run_pairs(study.comparisons, runs)), all_trusts(runs)
    aligned = compare_alignment(runs)
    details = (
        Section("runs", "Runs", "", (), (settings_table(runs),)),
        Section(
            "language",
            "Language modelling",
            "How well each run predicts held-out text, in bits per byte of that text: fewer is better, and the number "
            "means the same under every vocabulary.",
            (),
            tuple(likelihood_tables(arms.runs, arms.scores)),
        ),
        _vocabulary_section(runs, pairs),
        _alignment_section(runs, aligned),
        Section(
            "comparisons",
            "Comparisons",
            "Every arm beside the control that the study names for it, and the best run beside the untouched base.",
            (),
            (comparisons_table(comparisons),) if comparisons else (),
        ),
        _scaling_section(arms, judged),
        Section(
            "seeds",
            "Over seeds",
            "How far the trainings of one arm lie apart that differ in their seed alone.",
            (),
            known(seeds_table(runs, arms)),
        ),
        Section(
            "knowledge",
            "Knowledge",
            "How many questions of each benchmark every run answers correctly.",
            present(knowledge_figure(arms.runs, arms.knowledge)),
            tuple(knowledge_tables(arms.runs, arms.knowledge)),
            tuple(knowledge_findings(arms.runs, arms.knowledge)),
            folded=(
                *subject_tables(arms.runs, arms.knowledge),
                *known(consistency_table(consistencies(runs))),
            ),
        ),
        _quality_section(runs, judged, trusts),
        _switching_section(runs, study),
        *_published_section(arms.runs, study, arms.scores, arms.knowledge, judged),
        _overlap_section(runs, knowledge),
        Section(
            "training",
            "Training",
            "How the loss fell, and what was spent.",
            present(curves_figure(runs)),
            (spending_table(runs), time_table(runs)),
        ),
        _texts_section(runs),
        Section(
            "tokenizers",
            "Tokenizers",
            "Into how many tokens each vocabulary cuts each language.",
            present(tokenizers_figure(runs)),
            filled(tokenizers_table(runs)),
        ),
    )
    return Report(
        study=study,
        runs=tuple(runs),
        findings=tuple(findings(study, arms.runs, arms.scores, comparisons, answers(pairs))),
        shared=tuple(shared_settings(runs)),
        questions=ask(runs, arms, pairs, trusts, aligned),
        details=tuple(section for section in details if section.figures or section.tables or section.answers),
    )


def _vocabulary_section(runs: Sequence[RunRecords], pairs: Sequence[VocabularyPair]) -> Section:
    tables = (costs_table(pairs), extensions_table(runs))
    return Section(
        "vocabulary",
        "What new pieces cost and save",
        "New pieces cut text into fewer tokens, which makes training and generation cheaper, and their rows have to be "
        "learned.",
        (),
        (*(table for one in tables for table in filled(one)), *probe_tables(runs)),
        tuple(vocabulary_findings(answers(pairs))),
    )


def _scaling_section(arms: Arms, judged: Sequence[JudgedBenchmark]) -> Section:
    text = laws(bits_curves(arms.runs, arms.scores))
    compute = laws(bits_curves(arms.runs, arms.scores, "compute"))
    quality = laws(
        [
            *quality_curves(arms.runs, arms.knowledge, judged, "text"),
            *quality_curves(arms.runs, arms.knowledge, judged, "instructions"),
        ]
    )
    crossed = crossings(text)
    return Section(
        "scaling",
        "What would more give?",
        "Laws through the budgets that were run: what twice the text is predicted to give, how well the largest budget "
        "is predicted by the smaller ones, and from where on one arm is ahead of another.",
        present(scaling_figure(text)),
        (
            *known(laws_table("scaling.bits", "Laws of bits per byte", [*text, *compute])),
            *known(crossings_table(crossed)),
        ),
        tuple(scaling_findings(text, crossed)),
        folded=known(laws_table("scaling.quality", "Laws of quality", quality)),
    )


def _alignment_section(runs: Sequence[RunRecords], compared: Sequence[AlignmentComparison]) -> Section:
    return Section(
        "alignment",
        "Alignment",
        "Whether a sentence and its translation are alike to the model itself: how often the translation is the "
        "nearest of all sentences, layer by layer, and whether new pieces cost it.",
        (),
        alignment_tables(runs, compared)[1:],
        alignment_findings(runs, compared),
        folded=alignment_layer_tables(runs),
    )


def _quality_section(
    runs: Sequence[RunRecords], judged: Sequence[JudgedBenchmark], trusts: Sequence[JudgeTrust]
) -> Section:
    tables = quality_tables(runs, judged, trust_notes(trusts))
    return Section(
        "quality",
        "Response quality",
        "What judges say of the responses to open questions, item by item, and how far each judge can be trusted.",
        (),
        (*tables.main, *trust_tables(runs, trusts)),
        tuple(quality_findings(judged)),
        folded=tables.folded,
    )


def _switching_section(runs: Sequence[RunRecords], study: StudyInfo) -> Section:
    differences = switching_differences(runs, run_pairs(study.comparisons, runs))
    return Section(
        "switching",
        "Code-switching",
        "How often responses leave the language that they are to be in, and for which other one.",
        (),
        switching_tables(runs, differences),
        tuple(switching_findings(runs, differences)),
        excerpts=switching_excerpts(runs),
    )


def _published_section(
    runs: Sequence[RunRecords],
    study: StudyInfo,
    scores: Scores,
    knowledge: Knowledge,
    judged: Sequence[JudgedBenchmark],
) -> tuple[Section, ...]:
    if study.published is None:
        return ()
    shown = beside(study.published, runs, scores, knowledge, judged)
    return (Section("published", shown.title, shown.lead, (), shown.tables, shown.answers, folded=shown.folded),)


def _overlap_section(runs: Sequence[RunRecords], knowledge: Knowledge) -> Section:
    return Section(
        "overlap",
        "What was in the training text",
        "Which of the examples stand in what a run trained on, and whether it scores higher on those.",
        (),
        overlap_tables(runs, split_scores(runs, knowledge)),
        folded=touched_tables(source_overlaps(runs)),
    )


def _texts_section(runs: Sequence[RunRecords]) -> Section:
    return Section(
        "texts",
        "Text and instructions",
        "What the runs read: how much of each source is left, what each rule took away or changed, and a few of its "
        "cases to judge it by.",
        (),
        text_tables(runs),
        examples=example_groups(runs),
    )
