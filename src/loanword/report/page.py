"""The report as it is shown and as it is read by machines.

In: the artifact folders of a study's runs. Out, in one folder: `report.html`, self-contained, and the same in other
languages of the interface (`report.zh.html`); `report.json`, every number of it; `tables/*.csv`, one file a table;
`responses.html`, some responses with all that was said of them. The same records give the same bytes: no time of
writing is in them.
"""

import json
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from loanword.records import canonical_json, write_json
from loanword.report.cells import Sources
from loanword.report.gather import RunFolders, RunRecords, StudyInfo, read_runs
from loanword.report.provenance import Origins
from loanword.report.quality.responses import write_responses
from loanword.report.rules import rules
from loanword.report.saying import CODES, Code, interface, say
from loanword.report.section import Section
from loanword.report.sections import Report, compose
from loanword.report.summary import Finding
from loanword.report.svg import drawn

LANGUAGE_NAMES: dict[Code, str] = {"en": "English", "zh": "\u4e2d\u6587"}


def write_report(runs: Sequence[RunFolders], study: StudyInfo, out: Path, language: Code = "en") -> Path:
    """Writes the report of a study into a folder and returns its page in a language; of an older report nothing stays.

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
    for code in CODES:
        text = render(report, code, responses and responses.name)
        (out / page_name(code)).write_text(text, encoding="utf-8", newline="\n")
    return out / page_name(language)


def page_name(code: Code) -> str:
    """The file of the page in one language of the interface."""
    return "report.html" if code == "en" else f"report.{code}.html"


def render(report: Report, language: Code = "en", responses: str | None = None) -> str:
    """The page in one language, with a link to that of responses where there is one; texts of records are escaped."""
    spoken = interface(language)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(t=spoken.text, w=spoken.words, drawn=partial(drawn, spoken=spoken))  # pyright: ignore[reportUnknownMemberType]
    return environment.from_string(_package_text("page.html.j2")).render(
        report=report,
        titles={section.key: section.title for section in report.sections},
        responses=responses,
        language=language,
        others=[(code, page_name(code), LANGUAGE_NAMES[code]) for code in CODES if code != language],
        # Ours, and without any text from records.
        style=Markup(_package_text("page.css")),
        script=Markup(_package_text("page.js")),
        rules=rules(),
        origins=report.origins,
        say=say,
        plain_text=_plain_text,
    )


def _plain_text(text: str) -> Markup:
    """A text as it stands between tags, where quotation marks need no escape: settings are full of them."""
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _as_json(report: Report) -> dict[str, Any]:
    origins = report.origins

    def named(sources: Sources) -> Sequence[str]:
        return origins.keys(sources)

    return {
        "study": {"name": report.study.name, "summary": report.study.summary},
        "questions": [_question_json(section) for section in report.questions],
        "findings": [_finding_json(found) for found in report.findings],
        "answers": {
            section.key: [_finding_json(found) for found in section.answers]
            for section in report.details
            if section.answers
        },
        "tables": {table.key: table.to_json(named) for section in report.sections for table in section.all_tables},
        "runs": [_run_json(run, origins) for run in report.runs],
        "artifacts": json.loads(canonical_json(origins.to_json())),
    }


def _question_json(section: Section) -> dict[str, Any]:
    verdict = section.verdict
    assert verdict is not None, "a question has a verdict"
    return {
        "key": section.key,
        "title": section.title,
        "outcome": verdict.outcome,
        "told": verdict.is_told,
        "text": verdict.text,
        "rule": verdict.rule,
        "limits": list(section.limits),
        "tables": [table.key for table in section.all_tables],
    }


def _finding_json(found: Finding) -> dict[str, Any]:
    return {"heading": found.heading, "text": found.text, "points": list(found.points), "line": found.line}


def _run_json(run: RunRecords, origins: Origins) -> dict[str, Any]:
    artifacts = {
        role: None if artifact is None else origins.entries[origins.number_of(artifact) - 1].key
        for role, artifact in run.artifacts.items()
    }
    found = {"label": run.label, "seed": run.seed, "settings": dict(run.settings), "artifacts": artifacts}
    return json.loads(canonical_json(found))


def _package_text(name: str) -> str:
    return (files("loanword.report") / name).read_text(encoding="utf-8")
