"""The report as it is shown and as it is read by machines.

In: the artifact folders of a study's runs. Out, in one folder: `report.html`, self-contained; `report.json`, every
number of it; `tables/*.csv`, one file a table. The same records give the same bytes: no time of writing is in them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from loanword.records import canonical_json, write_json
from loanword.report import statistics
from loanword.report.cells import Table
from loanword.report.comparisons import MARGIN_ACCURACY, MARGIN_BITS_PER_BYTE, all_pairs, compare
from loanword.report.corpora import ExampleGroup, example_groups, text_tables
from loanword.report.figures import Figure, budget_figure, curves_figure, knowledge_figure, tokenizers_figure
from loanword.report.gather import Artifact, Provenance, RunFolders, RunRecords, StudyInfo, read_runs
from loanword.report.initialisers import probe_tables
from loanword.report.knowledge import Knowledge, score_knowledge
from loanword.report.likelihoods import Scores, score_languages
from loanword.report.overlap import source_overlaps, split_scores
from loanword.report.overlap_tables import overlap_tables, touched_tables
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
from loanword.report.vocabulary import VocabularyPair, vocabulary_pairs
from loanword.report.vocabulary_tables import (
    break_even_table,
    compute_figure,
    costs_table,
    extensions_table,
    levels_table,
)
from loanword.report.vocabulary_words import answers
from loanword.report.wording import decimal, duration, percent, plain


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


def write_report(runs: Sequence[RunFolders], study: StudyInfo, out: Path) -> Path:
    """Writes the report of a study into a folder and returns the page's path.

    Raises:
        UserError: a finished artifact holds something that cannot be read.
    """
    report = compose(read_runs(runs), study)
    tables = [table for section in report.sections for table in section.all_tables]
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for table in tables:
        (out / "tables" / f"{table.key}.csv").write_text(table.to_csv(), encoding="utf-8", newline="\n")
    write_json(_as_json(report), out / "report.json")
    page = out / "report.html"
    page.write_text(render(report), encoding="utf-8", newline="\n")
    return page


def compose(runs: Sequence[RunRecords], study: StudyInfo) -> Report:
    """Everything that a study's records show."""
    scores, knowledge = score_languages(runs), score_knowledge(runs)
    pairs = vocabulary_pairs(runs, scores)
    comparisons = compare(all_pairs(study, runs, scores), runs, scores, knowledge)
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
        ),
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


def render(report: Report) -> str:
    """The page; every text that comes from records is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_package_text("page.html.j2"))
    return template.render(
        report=report,
        # Ours, and without any text from records.
        style=Markup(_package_text("page.css")),
        script=Markup(_package_text("page.js")),
        rules=_rules(),
        provenance_rows=provenance_rows,
    )


def provenance_rows(run: RunRecords) -> list[dict[str, str]]:
    """Role, name, time, place and versions of each artifact of a run, as texts."""
    return [_provenance_row(role, artifact) for role, artifact in run.artifacts.items()]


def _provenance_row(role: str, artifact: Artifact | None) -> dict[str, str]:
    if artifact is None:
        return {"role": role, "name": "missing", "time": "missing", "machine": "missing", "versions": "missing"}
    provenance = artifact.manifest.provenance
    return {
        "role": role,
        "name": artifact.manifest.name,
        "time": "not recorded" if provenance.seconds is None else duration(provenance.seconds),
        "machine": _fields(provenance.machine),
        "versions": _versions(provenance),
    }


def _versions(provenance: Provenance) -> str:
    known = [f"{name} {version}" for name, version in sorted(provenance.versions.items())]
    known += [f"commit {provenance.commit[:12]}"] if provenance.commit else []
    known += [f"{name} {value}" for name, value in sorted(provenance.execution.items()) if name != "data"]
    return ", ".join(known) or "not recorded"


def _fields(machine: str | Mapping[str, Any] | None) -> str:
    if machine is None:
        return "not recorded"
    return (
        machine if isinstance(machine, str) else ", ".join(f"{name} {value}" for name, value in sorted(machine.items()))
    )


def _rules() -> list[tuple[str, str]]:
    """How the numbers are made, with the constants that the code uses."""
    confidence = percent(statistics.CONFIDENCE, 0)
    return [
        (
            "Bits per byte",
            "Negative log-likelihood of the held-out documents, summed, in bits, over the sum of their UTF-8 bytes. "
            "Special tokens carry neither. Perplexity is the exponential of the same sum in nats over the number of "
            "tokens.",
        ),
        (
            "Intervals",
            f"All are {confidence} intervals. Likelihoods: percentile bootstrap over documents, "
            f"{plain(statistics.NUM_RESAMPLES)} resamples, the same for every run. Accuracy: Wilson. Mean over "
            "subjects: bootstrap over questions within subjects. They speak of other documents and questions of the "
            "same kind, not of other training seeds.",
        ),
        (
            "Paired tests",
            "Likelihoods: paired bootstrap over documents, normal p-value on its standard error. Accuracy: exact "
            "McNemar test over the questions that both runs answered, interval by Bonett and Price. p-values are "
            "adjusted by Holm over all comparisons of the page.",
        ),
        (
            "Verdicts",
            f"Helps or hurts: adjusted p below {decimal(statistics.SIGNIFICANCE, 2)}. Not enough data: fewer than "
            f"{statistics.SMALLEST_NUM_EXAMPLES} shared examples, or not significant with an interval that reaches "
            f"beyond {decimal(MARGIN_BITS_PER_BYTE, 1)} bits per byte or {plain(100 * MARGIN_ACCURACY)} points. "
            "Otherwise: no difference larger than the far end of the interval.",
        ),
        (
            "Best run",
            "The run with the fewest bits per byte of the target language. It was chosen on the documents that it is "
            "reported on, which flatters it a little.",
        ),
        (
            "Overlap",
            "A text holds an example where a run of the example's words (of its characters where words are not "
            "separated by spaces) is in it, or where one stretch of it holds most of the example's words in any order. "
            "Touched minus clean: Newcombe's interval for different examples; a bootstrap where examples earn parts.",
        ),
        (
            "Missing",
            "Planned and not finished. It is shown as missing and enters no number. A dash is something that the run "
            "does not plan.",
        ),
    ]


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "study": {"name": report.study.name, "summary": report.study.summary},
        "findings": [
            {"heading": found.heading, "text": found.text, "points": list(found.points), "line": found.line}
            for found in report.findings
        ],
        "tables": {table.key: table.to_json() for section in report.sections for table in section.all_tables},
        "runs": [_run_json(run) for run in report.runs],
    }


def _run_json(run: RunRecords) -> dict[str, Any]:
    artifacts = {
        role: None
        if artifact is None
        else {"name": artifact.manifest.name, "provenance": artifact.manifest.provenance.model_dump(mode="json")}
        for role, artifact in run.artifacts.items()
    }
    found = {"label": run.label, "seed": run.seed, "settings": dict(run.settings), "artifacts": artifacts}
    return json.loads(canonical_json(found))


def _present(figure: Figure | None) -> tuple[Figure, ...]:
    return () if figure is None else (figure,)


def _filled(table: Table) -> tuple[Table, ...]:
    return (table,) if any(group.rows for group in table.groups) else ()


def _package_text(name: str) -> str:
    return (files("loanword.report") / name).read_text(encoding="utf-8")
