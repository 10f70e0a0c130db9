"""Judges in a study: which are refused, which artifacts they make, and what they will be asked."""

import json
from pathlib import Path

import pytest

import loanword.stages
from loanword.cli.opening import SMOKE
from loanword.errors import UserError
from loanword.evaluation.benchmarks import llmeval
from loanword.records import OpenQuestion, Response, Switching, write_lines
from loanword.store import Job, Sources, Store
from loanword.study.estimate import Estimator
from loanword.study.judging import JUDGEMENT_TOKENS
from loanword.study.study import Study, load_study

STUDY = """
name = "judged"
[recipe]
target = "zh"
[recipe.base]
model = "org/name"
[recipe.benchmarks.open]
name = "llmeval"
folder = "open"
subjects = ["Open_questions"]
[recipe.benchmarks.later]
name = "llmeval"
folder = "open"
protocol = "official"
[recipe.benchmarks.closed]
name = "mmlu"
folder = "mmlu"
[recipe.judges.gpt]
model = { served = "one" }
SETTINGS
[recipe.responses]
benchmarks = ["open", "closed"]
[[runs]]
name = "a"
[[runs]]
name = "b"
set = { "base.model" = "org/other" }
"""
COMPARED = '[[compare]]\narm = "b"\ncontrol = "a"\n'
NUM_QUESTIONS = 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "mmlu").mkdir()
    (tmp_path / "open").mkdir()
    asked = [{"question_uuid": f"Open_questions_{n}", "question": f"{n}?"} for n in range(NUM_QUESTIONS)]
    (tmp_path / "open/zh.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    return tmp_path


def study(data: Path, settings: str = "", *, compared: bool = True, scale: float = 1.0) -> Study:
    text = STUDY.replace("SETTINGS", settings) + (COMPARED if compared else "")
    (data / "study.toml").write_text(text, encoding="utf-8")
    return load_study(data / "study.toml", loanword.stages, Sources(data), scale=scale)  # type: ignore[arg-type]


def jobs(data: Path, settings: str = "", run: str = "b") -> dict[str, Job]:
    return dict(next(one.jobs for one in study(data, settings).runs if one.label == run))


def said(data: Path, settings: str, *, compared: bool = True) -> str:
    with pytest.raises(UserError) as caught:
        study(data, settings, compared=compared)
    return caught.value.what


@pytest.mark.parametrize(
    ("kind", "idle"),
    [
        ("rules = true", {"combine": '"median"', "chat": "false", "temperature": "0.5", "rubric": '"llm-eval-1-3"'}),
        ("rules = true", {"seed": "3", "max_new_tokens": "9", "repeats": "2", "pairwise": "true", "coherence": "true"}),
        ('model = { served = "x" }', {"combine": '"median"'}),
        ('of = ["gpt", "other"]', {"chat": "false", "pairwise": "true"}),
        ('ratings = "zh.jsonl"', {"combine": '"median"', "temperature": "0.5"}),
    ],
)
def test_a_setting_that_does_not_act_on_a_judge_is_refused(data: Path, kind: str, idle: dict[str, str]):
    others = '[recipe.judges.other]\nmodel = { served = "two" }\n'
    for name, value in idle.items():
        what = said(data, f"{others}[recipe.judges.x]\n{kind}\n{name} = {value}")
        assert f"judges.x: {name}: nothing that acts on a judge by {kind.partition(' ')[0]}" in what


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ('[recipe.judges.x]\nof = ["gpt", "gpt"]', "judges.x: of: a panel is of two judges or more, each named once"),
        ('[recipe.judges.x]\nof = ["gpt"]', "judges.x: of: a panel is of two judges or more"),
        (
            '[recipe.judges.r]\nrules = true\n[recipe.judges.x]\nof = ["gpt", "r"]',
            "judges.x.of: 'r' goes by rules, whose numbers mean something else",
        ),
        ('[recipe.judges."x (coherence)"]\nrules = true', "judges.x (coherence): the name holds ' (coherence)'"),
        ('[recipe.judges."x.against.y"]\nrules = true', "judges.x.against.y: the name holds ' (coherence)' or"),
        ('[recipe.judges."x.against"]\nrules = true', "judges.x.against: the name holds"),
        ('[recipe.judges.x]\nmodel = { model = "org/judge" }\nrepeats = 2', "a checkpoint says the same again"),
        ("coherence = true\n[recipe.switching]\nmeasure = false", "judges.gpt.coherence: nobody looks for switches"),
    ],
)
def test_a_judge_that_would_mislead_is_refused(data: Path, settings: str, what: str):
    assert what in said(data, settings)


def test_a_judge_that_compares_needs_runs_to_compare(data: Path):
    assert "recipe.judges.gpt.pairwise: no runs to compare" in said(data, "pairwise = true", compared=False)
    assert "ratings.open.gpt.against.a" in jobs(data, "pairwise = true")


def test_settings_that_do_not_act_on_what_a_judge_is_asked_name_nothing(data: Path):
    plain = jobs(data, "pairwise = true")
    seeded = jobs(data, "pairwise = true\nseed = 7")
    assert {role: job.name for role, job in plain.items()} == {role: job.name for role, job in seeded.items()}
    drawn = [jobs(data, f"temperature = 0.5\nseed = {seed}")["judgements.open.gpt"].name for seed in (0, 7)]
    assert drawn[0] != drawn[1]
    pair, single = "judgements.open.gpt.against.a", "judgements.open.gpt"
    other = jobs(data, 'pairwise = true\nrubric = "llm-eval-1-3"')
    assert other[pair].name == plain[pair].name
    assert other[single].name != plain[single].name


def test_a_judge_that_judges_nothing_of_a_run_is_not_built(data: Path):
    made = jobs(data, '[recipe.judges.big]\nmodel = { model = "org/judge" }\nbenchmarks = ["later"]')
    assert "judge.gpt" in made
    assert not [role for role, job in made.items() if "big" in role or "org/judge" in job.config.model_dump_json()]


def test_a_panel_asks_its_judges_wherever_it_is_meant(data: Path):
    settings = 'benchmarks = ["later"]\n[recipe.judges.two]\nmodel = { served = "two" }\n[recipe.judges.x]\n'
    made = jobs(data, f'{settings}of = ["gpt", "two"]')
    assert {role for role in made if role.startswith("judge.")} == {"judge.gpt", "judge.two"}
    assert set(made["ratings.open.x"].inputs) == {"responses", "judgements.gpt", "judgements.two"}


def requests(data: Path, made: Study, finished: set[str]) -> dict[str, tuple[int, int]]:
    """Requests, and those of which it is not known yet, by role of the run b."""
    estimator = Estimator(Store(data / "store"), Sources(data), finished)
    (run,) = (run for run in made.runs if run.label == "b")
    found = {role: estimator.of(job) for role, job in run.jobs.items() if job.stage == "judgements"}
    assert all(one.num_tokens == sum(JUDGEMENT_TOKENS) * one.num_requests for one in found.values())
    return {role: (one.num_requests, one.num_more_requests) for role, one in found.items()}


def test_requests_about_switches_are_counted_apart_until_it_is_known_what_switches(data: Path):
    made = study(data, "pairwise = true\ncoherence = true\nrepeats = 3\n[recipe.judges.rules]\nrules = true")
    single, pair, mixed = "judgements.open.gpt", "judgements.open.gpt.against.a", "judgements.open.gpt (coherence)"
    assert requests(data, made, set()) == {
        single: (3 * NUM_QUESTIONS, 0),
        pair: (2 * 3 * NUM_QUESTIONS, 0),
        mixed: (0, 3 * NUM_QUESTIONS),
        "judgements.open.rules": (0, 0),
    }
    (run,) = (run for run in made.runs if run.label == "b")
    switching, store = run.jobs["switching.open"], Store(data / "store")
    facts = {"benchmark": "open", "subject": "x", "language": "zh", "num_letters": 9, "share": 0.5}
    seen = [Switching(id=str(n), switched=n < 2, **facts) for n in range(NUM_QUESTIONS)]
    write(store, switching, "switching.jsonl", seen)
    assert requests(data, made, {switching.key})[mixed] == (3 * 2, 0)
    asked = OpenQuestion(turns=("?",))
    given = {"benchmark": "open", "subject": "x", "num_shots": 0, "answers": (), "ended": "stopped", "asked": asked}
    responses = run.jobs["responses.open"]
    write(store, responses, "responses.jsonl", [Response(id=str(n), **given) for n in range(4)])
    assert requests(data, made, {responses.key})[single] == (3 * 4, 0)


def write(store: Store, job: Job, name: str, records: list[Response] | list[Switching]) -> None:
    store.folder(job).mkdir(parents=True)
    write_lines(records, store.folder(job) / name)


def test_questions_are_read_once_for_all_runs_and_judges(data: Path, monkeypatch: pytest.MonkeyPatch):
    made = study(data, 'pairwise = true\n[recipe.judges.two]\nmodel = { served = "two" }')
    num_read, read = 0, llmeval.read_records

    def counted(*asked: object):
        nonlocal num_read
        num_read += 1
        return read(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(llmeval, "read_records", counted)
    estimator = Estimator(Store(data / "store"), Sources(data), set())
    (first, *others) = [job for job in made.jobs.values() if job.stage == "judgements"]
    assert estimator.of(first).num_requests
    once = num_read
    assert len(others) == 4 and all(estimator.of(job).num_requests for job in others)
    assert num_read == once > 0


def test_a_thousandth_of_a_study_asks_a_judge_about_one_question_of_a_kind(data: Path):
    found = requests(data, study(data, "pairwise = true", scale=SMOKE), set())
    assert found == {"judgements.open.gpt": (1, 0), "judgements.open.gpt.against.a": (2, 0)}
