"""Cards of models: every number is the report's, what is not known is said, and no text of a record is markup."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from loanword.recipe import Recipe
from loanword.report.card.about import Exported, Licence, source_name
from loanword.report.card.markdown import code, escaped, table
from loanword.report.card.page import card
from loanword.report.gather import RunFolders, read_runs
from loanword.report.knowledge import score_knowledge
from loanword.report.likelihoods import score_languages
from loanword.report.wording import decimal, percent
from tests.report.conftest import MISSING, NEW_PIECES, SyntheticStudy
from tests.report.judged_runs import judged_runs

STEPS = {"peak_learning_rate": 2e-4, "row_tokens": 2048, "batch_tokens": 16_384}
GRADED, TUNED, BASE = "extended-2MB-r0.2", "extended-2MB-r0.2-sft200", "original-0MB"
HUB_COMMIT = "0123456789abcdef0123456789abcdef01234567"


def recipe(**settings: object) -> Recipe:
    made = {
        "target": "zh",
        "base": {"model": "org/base"},
        "corpus": {"en": {"files": ["text/en.jsonl"]}, "zh": {"files": ["/home/somebody/zh.jsonl"]}},
        "tokenizer": {"num_new_pieces": NEW_PIECES},
        "pretraining": {"budget": {"bytes": 2_000_000}, "replay": 0.2, "steps": STEPS},
        "instructions": {"zh": {"files": ["told.jsonl"]}},
        "tuning": {"num_conversations": 200, "steps": STEPS},
    }
    return Recipe.from_json(json.dumps(made | settings), where="recipe")


def about(study: SyntheticStudy, label: str, **settings: object) -> Exported:
    runs = {run.label: run for run in read_runs(study.runs)}
    of_run = recipe() if "sft" in label else recipe(tuning={})
    return replace(Exported(runs[label], list(runs.values()), study.info, of_run), **settings)  # type: ignore[arg-type]


def hub_data(text: str) -> Any:
    """What the Hub reads of a card."""
    return ModelCard(text).data


def sections(text: str) -> dict[str, str]:
    """The text under each heading of a card."""
    parts = re.split(r"^#{2,3} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_score_is_the_reports_with_its_interval(study: SyntheticStudy) -> None:
    exported = about(study, GRADED)
    languages, knowledge = score_languages([exported.run]), score_knowledge([exported.run])
    found = sections(card(exported))
    for code_ in ("zh", "en"):
        one = languages[GRADED, code_].bits_per_byte
        assert f"{decimal(one.value, 3)} [{decimal(one.low, 3)} to {decimal(one.high, 3)}]" in found["Text"]
    for name in ("ceval", "mmlu"):
        headline = knowledge[GRADED, name].headline
        assert f"{percent(headline.value)} [{decimal(100 * headline.low, 1)} to" in found["Benchmarks"]
        assert percent(0.25) in found["Benchmarks"]


def test_a_run_is_shown_beside_the_base_of_its_study_and_the_base_alone(study: SyntheticStudy) -> None:
    beside = sections(card(about(study, GRADED)))
    assert f"Base is the run `{BASE}`" in beside["Scores"] and "| better |" in beside["Text"]
    alone = card(about(study, BASE, recipe=recipe(tokenizer={}, pretraining=None, tuning={})))
    assert "Difference" not in alone and "as it came" in alone and "base_model_relation" not in alone


def test_a_run_is_compared_with_no_other_models_base(study: SyntheticStudy, tmp_path: Path) -> None:
    exported = about(study, GRADED)
    other = exported.run.artifacts["base"]
    assert other is not None
    moved = replace(exported.run, artifacts={**exported.run.artifacts, "base": replace(other, folder=tmp_path)})
    text = card(replace(exported, run=moved, runs=[*exported.runs, moved]))
    assert "Difference" not in text and BASE not in text


def test_the_hub_reads_the_same_numbers(study: SyntheticStudy) -> None:
    exported = about(study, GRADED, licence=Licence("Apache-2.0"))
    data = hub_data(card(exported))
    found = {(one.dataset_type, one.metric_type): one.metric_value for one in data.eval_results or []}
    zh = score_languages([exported.run])[GRADED, "zh"].bits_per_byte.value
    ceval = score_knowledge([exported.run])[GRADED, "ceval"].headline.value
    assert found["held-out-zh", "bits_per_byte"] == round(zh, 3)
    assert found["ceval", "accuracy"] == round(100 * ceval, 1)
    assert (data.license, data.language, data.library_name) == ("apache-2.0", ["zh", "en"], "transformers")
    assert data.tags == ["loanword", "vocabulary-extension", "continued-pretraining"]


def on_the_hub(study: SyntheticStudy, root: Path) -> Exported:
    """A tuned run whose base and text came from the Hub."""
    run = study.run(TUNED)
    folders = dict(run.artifacts)
    for role, stage, said in (
        ("base", "base", {"identity": {"model": f"org/base@{HUB_COMMIT}", "adapter": [f"org/adapter@{HUB_COMMIT}"]}}),
        (
            "corpus.zh",
            "corpus",
            {
                "identity": {"hub": [{"id": f"datasets/org/text@{HUB_COMMIT}", "files": ["*"]}]},
                "config": {"files": ["/home/somebody/zh.jsonl"], "hub": [{"id": "org/text"}]},
            },
        ),
    ):
        folder = root / role
        folder.mkdir(parents=True)
        manifest = {"name": f"hub-{role}", "stage": stage, "content": "ab" * 32, **said}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        counts = {
            "language": "zh", "num_documents": 1234, "num_bytes": 5_600_000, "num_held_out_documents": 100,
            "num_held_out_bytes": 9, "num_quarantined_lines": 7, "num_removed": {"over_limit": 20},
        }  # fmt: skip
        (folder / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
        folders[role] = folder
    runs = read_runs([RunFolders(run.label, run.settings, run.seed, folders)])
    base = {"model": "org/base", "adapter": ["org/adapter"]}
    return Exported(runs[0], runs, study.info, recipe(base=base))


def test_bases_and_data_of_the_hub_are_named_with_their_commits(study: SyntheticStudy, tmp_path: Path) -> None:
    text = card(on_the_hub(study, tmp_path))
    data = hub_data(text)
    assert (data.base_model, data.base_model_relation) == (["org/base", "org/adapter"], "finetune")
    assert data.datasets == ["org/text"]
    assert f"https://huggingface.co/org/base/tree/{HUB_COMMIT}" in text
    assert f"https://huggingface.co/datasets/org/text/tree/{HUB_COMMIT}" in sections(text)["Data"]


def test_what_was_read_is_counted_and_paths_of_a_machine_stay_there(study: SyntheticStudy, tmp_path: Path) -> None:
    text = card(on_the_hub(study, tmp_path))
    assert "| 1,354 | 1,234 | 5.6\u202fMB |" in sections(text)["Data"]
    assert "over limit 20; broken lines 7" in sections(text)["Data"]
    assert "somebody" not in text and "`zh.jsonl`" in text
    assert source_name("text/zh.jsonl") == "text/zh.jsonl"


def test_lineage_names_every_artifact_that_made_the_model(study: SyntheticStudy) -> None:
    exported = about(study, TUNED)
    steps = sections(card(exported))["Lineage"]
    for role in ("base", "tokenizer", "trunk", "pretraining", "conversations", "tuning"):
        artifact = exported.run.artifacts[role]
        assert artifact is not None
        assert f"`{artifact.manifest.stage}/{artifact.manifest.name}`" in steps
    assert "`0123456789ab`" in steps and f"{NEW_PIECES:,} new pieces" in steps


def test_what_is_not_known_is_said(study: SyntheticStudy) -> None:
    graded = about(study, GRADED)
    limits = sections(card(graded))["Limits"]
    for told in ("Safety was not measured", "trained once, with seed 0", "English alone", "no one of them explains"):
        assert told in limits
    assert "the quality of responses" in limits and "held-out text" not in limits
    untrained = about(study, "extended-0MB", recipe=recipe(pretraining=None, tuning={}))
    assert "never trained" in sections(card(untrained))["Limits"] and "never trained" not in limits
    missing = sections(card(about(study, MISSING.label)))["Limits"]
    assert "Planned and not finished" in missing and "tuning" in missing
    assert "good for nothing else" in sections(card(about(study, GRADED, smoke=True)))["Limits"]


def test_seeds_of_the_same_run_are_counted(study: SyntheticStudy) -> None:
    exported = about(study, GRADED)
    runs = [*exported.runs, replace(exported.run, label="again", seed=7)]
    assert "with 2 seeds; this is seed 0" in sections(card(replace(exported, runs=runs)))["Limits"]


def test_judged_responses_say_who_judged_and_whether_anybody_checked(study: SyntheticStudy, tmp_path: Path) -> None:
    base, _, arm = judged_runs(tmp_path)
    text = card(replace(about(study, GRADED), run=arm, runs=[base, arm]))
    judged, limits = sections(text)["Responses to open questions"], sections(text)["Limits"]
    gpt, rules = (
        next(line for line in judged.splitlines() if line.startswith(f"- LLM-Eval, {who}")) for who in ("gpt", "rules")
    )
    assert "a model, answering as judge-2024-05" in gpt and "not checked against people" in gpt and "unparsed" in gpt
    assert "not a reader" in rules
    assert "Nobody has checked against people what these judges say: gpt" in limits
    assert "Of safety only the harmlessness" in limits


def test_no_licence_is_guessed(study: SyntheticStudy) -> None:
    exported = about(study, GRADED)
    text = card(exported)
    assert hub_data(text).license == "other" and "No licence is named yet" in sections(text)["Licence"]
    named = card(replace(exported, licence=Licence("mit")))
    assert "No licence" not in named and "Given out under mit" in named


def test_labels_and_summaries_are_shown_as_they_are_and_no_markup(study: SyntheticStudy) -> None:
    nasty = "<img src=x> [a](javascript:b) | *bold* `code` &lt; $x$\n# heading"
    exported = about(study, GRADED)
    run = replace(exported.run, label=nasty, likelihoods={}, grades={})
    body = card(replace(exported, run=run, runs=[run], study=replace(exported.study, summary=nasty))).split("\n---\n")[
        1
    ]
    outside = re.sub(r"(`+)(?:.|\n)*?\1", "", body)
    assert not re.search(r"(?<!\\)<img|(?<!\\)\[a\]|^# heading|(?<!\\)\*bold", outside, re.MULTILINE)
    assert hub_data(card(replace(exported, run=run, runs=[run]))).license == "other"


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_table_has_its_columns_whatever_its_cells_hold(rows: list[list[str]]) -> None:
    lines = table(("a", "b", "c"), [[escaped(row[0]), code(row[1]), escaped(row[2])] for row in rows]).split("\n")
    assert len(lines) == len(rows) + 2
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {4}


def test_a_card_needs_no_torch() -> None:
    words = "import sys; import loanword.report.card.page; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(("label", "asked"), [(TUNED, "apply_chat_template"), (GRADED, "The beginning of a text")])
def test_the_example_asks_as_the_model_was_trained(study: SyntheticStudy, label: str, asked: str) -> None:
    text = card(about(study, label, repository="org/model"))
    assert asked in sections(text)["How to use it"] and 'name = "org/model"' in text
