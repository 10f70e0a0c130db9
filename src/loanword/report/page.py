"""The report as it is shown and as it is read by machines.

In: the artifact folders of a study's runs. Out, in one folder: `report.html`, self-contained; `report.json`, every
number of it; `tables/*.csv`, one file a table; `responses.html`, some responses with all that was said of them. The
same records give the same bytes: no time of writing is in them.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from loanword.records import canonical_json, write_json
from loanword.report import statistics
from loanword.report.comparisons import MARGIN_ACCURACY, MARGIN_BITS_PER_BYTE
from loanword.report.facts import Provenance
from loanword.report.gather import Artifact, RunFolders, RunRecords, StudyInfo, read_runs
from loanword.report.quality.responses import write_responses
from loanword.report.sections import Report, compose
from loanword.report.wording import decimal, duration, percent, plain


def write_report(runs: Sequence[RunFolders], study: StudyInfo, out: Path) -> Path:
    """Writes the report of a study into a folder and returns the page's path; of an older report there nothing stays.

    Raises:
        UserError: a finished artifact holds something that cannot be read.
    """
    records = read_runs(runs)
    report = compose(records, study)
    tables = [table for section in report.sections for table in section.all_tables]
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for table in tables:
        (out / "tables" / f"{table.key}.csv").write_text(table.to_csv(), encoding="utf-8", newline="\n")
    for old in set((out / "tables").glob("*.csv")) - {out / "tables" / f"{table.key}.csv" for table in tables}:
        old.unlink()
    write_json(_as_json(report), out / "report.json")
    responses = write_responses(records, out)
    page = out / "report.html"
    page.write_text(render(report, responses and responses.name), encoding="utf-8", newline="\n")
    return page


def render(report: Report, responses: str | None = None) -> str:
    """The page, with a link to that of responses where there is one; every text that comes from records is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_package_text("page.html.j2"))
    return template.render(
        report=report,
        responses=responses,
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
            "same kind; of other training seeds only where an arm has several, whose mean then stands with an interval "
            "over seeds and examples.",
        ),
        (
            "Paired tests",
            "Likelihoods: paired bootstrap over documents, Student\u2019s interval and p on its standard error; the "
            "same over questions for ratings, points and means over subjects. Arms of several seeds: paired by seed "
            "too. Answers that are right or wrong, and responses "
            "that switch or do not: exact McNemar test over the questions that both runs answered, interval by Bonett "
            "and Price. Alignment: exact sign test over sentences, interval by bootstrap. p-values are adjusted by "
            "Holm within each table, over all of it where its note says nothing else.",
        ),
        (
            "Verdicts",
            f"Not enough data: fewer than {statistics.SMALLEST_NUM_EXAMPLES} shared examples, whatever p is. Helps or "
            f"hurts: otherwise, with an adjusted p below {decimal(statistics.SIGNIFICANCE, 2)} and an interval on one "
            "side of zero. Not enough data again: otherwise, with an interval that reaches beyond "
            f"{decimal(MARGIN_BITS_PER_BYTE, 1)} bits per byte, "
            f"{plain(100 * MARGIN_ACCURACY)} points or a tenth of a rating\u2019s scale. In all other cases: no "
            "difference larger than the far end of the interval.",
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


def _package_text(name: str) -> str:
    return (files("loanword.report") / name).read_text(encoding="utf-8")
