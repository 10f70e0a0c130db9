"""How tokenizers are told apart and set side by side."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from loanword.records import TokenizerMeasure
from loanword.report.extensions import Extension
from loanword.report.figures import tokenizers_figure
from loanword.report.gather import RunRecords, read_runs
from loanword.report.tokenizers import measured_tokenizers, tokenizers_panel, tokenizers_table


@pytest.fixture(scope="module")
def runs(study) -> list[RunRecords]:
    return read_runs(study.runs)


def test_runs_that_share_a_tokenizer_share_its_row(runs):
    assert [one.name for one in measured_tokenizers(runs)] == ["original vocabulary", "+2,000 pieces"]
    rows = tokenizers_table(runs).to_json()["rows"]
    assert [(row["tokenizer"], row["language"]) for row in rows] == [
        ("original vocabulary", "Chinese"),
        ("+2,000 pieces", "Chinese"),
        ("original vocabulary", "English"),
        ("+2,000 pieces", "English"),
    ]


def test_a_base_stands_beside_its_extension_in_every_language_that_the_extension_was_measured_in(runs):
    """A base that was published has no measures of its own, and one that was learned has them of its source alone."""
    both = next(run.measures for run in runs if run.measures)
    told = [_told_of_its_base(run, both) for run in runs]
    expected = [(name, language) for language in ("Chinese", "English") for name in ("original", "+2,000 pieces")]
    for some in (told, [run for run in told if run.extension]):
        rows = tokenizers_table(some).to_json()["rows"]
        assert [(row["tokenizer"].removesuffix(" vocabulary"), row["language"]) for row in rows] == expected
        assert rows[0]["tokens_per_character"] == both[0].tokens_per_character
        assert tokenizers_figure(some) is not None
    published = [_without_base_tokenizer(run) for run in told if run.extension]
    assert tokenizers_table(published) == tokenizers_table(told)


def _told_of_its_base(run: RunRecords, measures: tuple[TokenizerMeasure, ...]) -> RunRecords:
    if run.settings["tokenizer.num_new_pieces"]:
        return replace(run, extension=Extension(measures))
    return replace(run, measures=tuple(one for one in run.measures if one.language == "en"))


def _without_base_tokenizer(run: RunRecords) -> RunRecords:
    return replace(run, artifacts={role: one for role, one in run.artifacts.items() if role != "tokenizer.base"})


def test_tokenizers_of_one_size_are_told_apart_by_their_runs(runs):
    first = next(run for run in runs if run.settings["tokenizer.num_new_pieces"])
    artifact = first.artifacts["tokenizer"]
    assert artifact is not None
    other = replace(
        first,
        label="to Swahili",
        artifacts={**first.artifacts, "tokenizer": replace(artifact, folder=artifact.folder / "sw")},
    )
    names = [one.name for one in measured_tokenizers([first, other])]
    assert names == [f"+2,000 pieces ({first.label})", "+2,000 pieces (to Swahili)"]
    appended = replace(other, settings={**other.settings, "tokenizer.method": "append"})
    assert [one.name for one in measured_tokenizers([first, appended])] == [
        "+2,000 pieces",
        "+2,000 pieces, appended",
    ]


def test_columns_that_no_record_fills_are_left_out(runs):
    assert "num_unused_new_pieces" not in tokenizers_table(runs).to_json()["rows"][0]
    measures = tuple(one.model_copy(update={"num_unused_new_pieces": 7}) for one in runs[0].measures)
    rows = tokenizers_table([replace(runs[0], measures=measures), *runs[1:]]).to_json()["rows"]
    assert rows[0]["num_unused_new_pieces"] == 7
    assert rows[-1]["num_unused_new_pieces"] == {"state": "not planned"}


def test_bars_are_as_long_as_what_they_stand_for(runs):
    tokenizers = measured_tokenizers(runs)
    drawing = ElementTree.fromstring(tokenizers_panel(tokenizers))
    widths = [float(bar.attrib["width"]) for bar in drawing.iter("rect") if float(bar.attrib["height"]) == 14]
    values = [
        next(one.tokens_per_character for one in tokenizer.measures if one.language == language)
        for language in ("zh", "en")
        for tokenizer in tokenizers
    ]
    assert [width / widths[0] for width in widths] == pytest.approx([value / values[0] for value in values], rel=0.01)


def test_one_tokenizer_alone_has_no_figure(runs):
    assert tokenizers_figure(runs) is not None
    assert tokenizers_figure([run for run in runs if not run.settings["tokenizer.num_new_pieces"]]) is None


def test_a_language_that_one_tokenizer_was_not_measured_in_has_the_bars_of_the_others(runs):
    first, second = measured_tokenizers(runs)
    alone = replace(first, measures=tuple(one for one in first.measures if one.language == "en"))
    drawing = ElementTree.fromstring(tokenizers_panel([alone, second]))
    bars = [bar.attrib["class"] for bar in drawing.iter("rect") if float(bar.attrib["height"]) == 14]
    assert bars == ["marker series-1", "marker series-2", "marker series-2"]
