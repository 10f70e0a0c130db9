"""The report's sections: which figures, tables and findings stand together, in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

from loanword.report.alignment.scores import compare_alignment
from loanword.report.alignment.tables import alignment_figure, alignment_layer_tables, alignment_tables
from loanword.report.alignment.words import alignment_findings
from loanword.report.cells import Table
from loanword.report.comparisons import all_pairs, compare
from loanword.report.consistency import consistencies, consistency_table
from loanword.report.corpora import ExampleGroup, example_groups, text_tables
from loanword.report.figures import Figure, budget_figure, curves_figure, knowledge_figure, tokenizers_figure
from loanword.report.gather import RunRecords, StudyInfo
from loanword.report.initialisers import probe_tables
from loanword.report.knowledge import Knowledge, benchmark_titles, benchmarks_of, score_knowledge
from loanword.report.likelihoods import Scores, score_languages
from loanword.report.overlap import source_overlaps, split_scores
from loanword.report.overlap_tables import overlap_tables, touched_tables
from loanword.report.published.tables import beside
from loanword.report.quality.scores import JudgedBenchmark, assess
from loanword.report.quality.switching import switching_differences, switching_findings, switching_tables
from loanword.report.quality.tables import quality_tables
from loanword.report.quality.words import quality_findings
from loanword.report.retention import retained, retention_table, source_of, tradeoff_figure
from loanword.report.spending import spending_table, time_table
from loanword.report.summary import Finding, findings, vocabulary_findings
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
    break_even_table,
    compute_figure,
    costs_table,
    extensions_table,
    levels_table,
)
from loanword.report.vocabulary_words import answers
from loanword.report.wording import language_name


@dataclass(frozen=True)
class Section:
    """One part of the page: figures, tables, examples; `lead` opens it in words, and `answers` answer it."""

    key: str
    title: str
    lead: str
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]
    answers: tuple[Finding, ...] = ()
    examples: tuple[ExampleGroup, ...] = ()
    folded: tuple[Table, ...] = ()

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """Its tables, those among them that the page folds away."""
        return (*self.tables, *self.folded)


@dataclass(frozen=True)
class Report:
    """Everything that the page shows."""

    study: StudyInfo
    runs: tuple[RunRecords, ...]
    findings: tuple[Finding, ...]
    shared: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def compose(runs: Sequence[RunRecords], study: StudyInfo) -> Report:
    """Everything that a study's records show."""
    scores, knowledge = score_languages(runs), score_knowledge(runs)
    pairs = vocabulary_pairs(runs, scores)
    comparisons = compare(all_pairs(study, runs, scores), runs, scores, knowledge)
    judged, trusts = assess(runs, study.comparisons), all_trusts(runs)
    sections = (
        Section("runs", "Runs", "", (), (settings_table(runs),)),
        Section(
            "language",
            "Language modelling",
            "How well each run predicts held-out text, in bits per byte of that text: fewer is better, and the number "
            "means the same under every vocabulary.",
            _present(budget_figure(runs, scores)),
            tuple(likelihood_tables(runs, scores)),
        ),
        _vocabulary_section(runs, scores, pairs),
        _alignment_section(runs),
        Section(
            "comparisons",
            "Comparisons",
            "Every arm beside the control that the study names for it, and the best run beside the untouched base.",
            (),
            (comparisons_table(comparisons),) if comparisons else (),
        ),
        Section(
            "knowledge",
            "Knowledge",
            "",
            _present(knowledge_figure(runs, knowledge)),
            tuple(knowledge_tables(runs, knowledge)),
            folded=_known(consistency_table(consistencies(runs))),
        ),
        _quality_section(runs, judged, trusts),
        _switching_section(runs, study),
        _retention_section(runs, scores, knowledge),
        *_published_section(runs, study, scores, knowledge, judged),
        _overlap_section(runs, knowledge),
        Section("training", "Training", "", _present(curves_figure(runs)), (spending_table(runs), time_table(runs))),
        _texts_section(runs),
        Section("tokenizers", "Tokenizers", "", _present(tokenizers_figure(runs)), _filled(tokenizers_table(runs))),
    )
    return Report(
        study=study,
        runs=tuple(runs),
        findings=tuple(findings(study, runs, scores, knowledge, comparisons, answers(pairs))),
        shared=tuple(shared_settings(runs)),
        sections=tuple(section for section in sections if section.figures or section.tables),
    )


def _vocabulary_section(runs: Sequence[RunRecords], scores: Scores, pairs: Sequence[VocabularyPair]) -> Section:
    tables = (costs_table(pairs), levels_table(pairs), break_even_table(pairs), extensions_table(runs))
    return Section(
        "vocabulary",
        "Is a larger vocabulary worth it?",
        "New pieces cut text into fewer tokens, which makes training and generation cheaper, and their rows have to be "
        "learned. What that gains in bits per byte is shown twice: after the same text, and after the same compute.",
        _present(compute_figure(pairs, scores)),
        (*(table for one in tables for table in _filled(one)), *probe_tables(runs)),
        tuple(vocabulary_findings(answers(pairs))),
    )


def _alignment_section(runs: Sequence[RunRecords]) -> Section:
    compared = compare_alignment(runs)
    return Section(
        "alignment",
        "Are the languages aligned?",
        "Whether a sentence and its translation are alike to the model itself: how often the translation is the "
        "nearest of all sentences, layer by layer, and whether new pieces cost it.",
        _present(alignment_figure(runs)),
        alignment_tables(runs, compared),
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
    differences = switching_differences(runs, study.comparisons)
    return Section(
        "switching",
        "Code-switching",
        "How often responses leave the language that they are to be in, and for which other one.",
        (),
        switching_tables(runs, differences),
        tuple(switching_findings(runs, differences)),
    )


def _retention_section(runs: Sequence[RunRecords], scores: Scores, knowledge: Knowledge) -> Section:
    name = language_name(source_of(runs))
    titles = benchmark_titles(benchmarks_of(runs))
    return Section(
        "retention",
        f"What {name} keeps",
        "Further pretraining in another language may cost what the base knew. Every run against the untouched base, "
        f"on text and on benchmarks in {name}, and what was gained for it.",
        _present(tradeoff_figure(runs, scores)),
        _known(retention_table(retained(runs, scores, knowledge), runs, titles)),
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


def _present(figure: Figure | None) -> tuple[Figure, ...]:
    return () if figure is None else (figure,)


def _known(table: Table | None) -> tuple[Table, ...]:
    return () if table is None else (table,)


def _filled(table: Table) -> tuple[Table, ...]:
    return (table,) if any(group.rows for group in table.groups) else ()
