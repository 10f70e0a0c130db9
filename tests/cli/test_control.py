"""A study under control: selected, gone on with where parts fail, verified, collected, moved."""

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loanword.store import leases
from tests.cli.conftest import Answer, Loanword
from tests.studies import ROOT, contents, environment

STUDY = """
name = "small"
[recipe]
target = "zh"
[recipe.base]
model = "org/name"
[recipe.corpus.zh]
files = ["zh.jsonl"]
[recipe.pretraining]
steps = {{ peak_learning_rate = 1e-3 }}
[axes.budget]
{budgets}
"""
Call = Callable[..., Answer]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with a study of three budgets, in which nothing goes wrong."""
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "mishaps").touch()
    write_study(folder / "small.toml", 10, 20, 30)
    return folder


@pytest.fixture
def call(loanword: Loanword, root: Path) -> Call:
    """Calls a verb for the study in the root, or for others that are named."""

    def called(verb: str, *more: object, study: str = "small.toml", at: Path = root) -> Answer:
        place = ("--data", at, "--store", at / "store", "--stages", "tests.cli.control_stages")
        quick = ("--workers", "2", "--no-report") if verb == "run" and "--report" not in more else ()
        studies = [at / name for name in study.split()]
        return loanword(verb, *studies, *place, *quick, *(word for word in more if word != "--report"))

    return called


def write_study(path: Path, *budgets: int) -> None:
    lines = (f'"{budget}" = {{ "pretraining.budget" = {{ documents = {budget} }} }}' for budget in budgets)
    path.write_text(STUDY.format(budgets="\n".join(lines)))


def by_stage(store: Path) -> dict[str, int]:
    stages = [key.partition("/")[0] for key in contents(store)]
    return {stage: stages.count(stage) for stage in sorted(set(stages))}


WHOLE = {"answers": 6, "cut": 3, "marks": 6, "model": 3, "words": 1}


def test_what_is_selected_is_built_with_what_it_reads_and_nothing_else(call: Call, root: Path) -> None:
    store = root / "store"
    assert call("run", "--until", "cut").code == 0
    assert by_stage(store) == {"cut": 3, "words": 1}
    assert call("run", "--only", "20", "--only", "answers.first").code == 0
    assert by_stage(store) == {"answers": 1, "cut": 3, "model": 1, "words": 1}
    assert call("run", "--only", "answers", "--only", "model").code == 0
    assert by_stage(store) == {"answers": 6, "cut": 3, "model": 3, "words": 1}
    nothing = call("run", "--only", "marks", "--until", "answers")
    assert nothing.code == 2 and "nothing that is all of this" in nothing.err
    assert "marks" not in by_stage(store)
    assert call("run", "--only", "10").code == 0
    assert by_stage(store) == {**WHOLE, "marks": 2}
    assert call("run").code == 0
    assert by_stage(store) == WHOLE


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--only", "answer"), "'answers'"),
        (("--only", "answers.frist"), "'answers.first'"),
        (("--until", "cuts"), "'cut'"),
    ],
)
def test_a_name_that_the_study_lacks_builds_nothing(call: Call, root: Path, words: tuple[str, str], meant: str) -> None:
    answer = call("run", *words)
    assert answer.code == 2
    assert f"did you mean {meant}" in answer.err
    assert not contents(root / "store")


def test_a_failure_is_told_with_the_end_of_its_log_and_kept_until_it_is_mended(call: Call, root: Path) -> None:
    (root / "mishaps").write_text("refused:model 20\n")
    answer = call("run", "--workers", "1")
    assert answer.code == 2
    assert "amount 20 - is refused" in answer.err and "ask for less" in answer.err
    assert "| writing 20 of model" in answer.err
    status = json.loads(call("status", "--json").out)
    (failed,) = status["failed"]
    assert failed["kind"] == "refused" and failed["key"].startswith("model/")
    assert (root / "store" / failed["log"]).read_text().count("amount 20 - is refused") == 1
    assert [roles["model"] for roles in status["runs"].values()].count("failed") == 1
    assert "failed: model (20)" in call("status").out
    (root / "mishaps").write_text("")
    assert call("run").code == 0
    status = json.loads(call("status", "--json").out)
    assert status["failed"] == [] and status["artifacts"]["finished"] == sum(WHOLE.values())


def test_a_failure_need_not_stop_what_is_not_made_of_it(call: Call, root: Path) -> None:
    (root / "mishaps").write_text("refused:model 20\nrefused:first 30\n")
    answer = call("run", "--keep-going", "--report")
    assert answer.code == 2
    assert by_stage(root / "store") == {"answers": 3, "cut": 3, "marks": 3, "model": 2, "words": 1}
    assert "amount 20 - is refused" in answer.err and "amount 30 - is refused" in answer.err
    assert "4 that are made of it are left out" in answer.err
    assert Path(answer.out.splitlines()[-1]).is_file()
    states = json.loads(call("status", "--json").out)["artifacts"]
    assert states == {"finished": 12, "building": 0, "failed": 2, "waiting": 5, "not needed": 0}


def test_a_bug_keeps_its_traceback_and_its_exit_code(call: Call, root: Path) -> None:
    (root / "mishaps").write_text("bug:first 10\nrefused:model 30\n")
    answer = call("run", "--keep-going")
    assert answer.code == 1
    assert answer.err.count("ZeroDivisionError: a bug at 10") == 2  # as it came, and at the end
    assert answer.err.count("Traceback") == 1
    assert "failed: answers.first (10)" in call("status").out
    assert call("run").code in (1, 2)


def test_a_study_without_failures_leaves_logs_of_what_was_written_only(call: Call, root: Path) -> None:
    assert call("run", "--only", "words").code == 0
    (log,) = (root / "store" / "logs").iterdir()
    begin, line = log.read_text().splitlines()
    assert begin.startswith("--- ") and line == "writing 0 of words"


def damage(path: Path) -> None:
    """Flips one bit of a file, or gives an empty one a byte."""
    written = bytearray(path.read_bytes()) or bytearray(1)
    written[random.randrange(len(written))] ^= 1 << random.randrange(8)
    path.write_bytes(written)


@pytest.mark.parametrize("stage", ["words", "cut", "model", "marks"])
def test_a_flipped_bit_is_named_and_what_depends_on_it_is_built_anew(call: Call, root: Path, stage: str) -> None:
    store = root / "store"
    assert call("run").code == 0
    assert call("verify").code == 0
    before = contents(store)
    times = {path: path.stat().st_mtime_ns for path in store.glob("artifacts/*/*")}
    folder = random.choice(sorted((store / "artifacts" / stage).iterdir()))
    file = random.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    damage(file)

    answer = call("verify")
    assert answer.code == 2
    assert f"{file}: " in answer.out
    found = json.loads(call("verify", "--json").out)
    assert found["damaged"].keys() == {f"{stage}/{folder.name}"}
    assert call("run").err.endswith("0 artifacts built\n")

    assert call("verify", "--discard").code == 2
    gone = set(before) - set(contents(store))
    assert gone == {f"{stage}/{folder.name}", *found["tainted"]}
    built = call("run")
    assert built.err.endswith(f"{len(gone)} artifacts built\n")
    assert contents(store) == before
    anew = {path for path in store.glob("artifacts/*/*") if times[path] != path.stat().st_mtime_ns}
    assert {f"{path.parent.name}/{path.name}" for path in anew} == gone
    assert call("verify").code == 0


def test_what_was_built_from_what_is_damaged_is_found_through_inputs_and_smaller_cuts(call: Call, root: Path) -> None:
    assert call("run").code == 0
    jobs = json.loads(call("plan", "--json").out)["runs"]
    damage(root / "store" / "artifacts" / jobs["20"]["cut"] / "made.txt")
    found = json.loads(call("verify", "--json").out)
    assert found["damaged"].keys() == {jobs["20"]["cut"]}
    behind = {key for run in ("20", "30") for role, key in jobs[run].items() if role != "words"} - {jobs["20"]["cut"]}
    assert found["tainted"].keys() == behind


def test_what_is_missing_or_too_much_is_named(call: Call, root: Path) -> None:
    assert call("run").code == 0
    folder = next((root / "store" / "artifacts" / "words").iterdir())
    (folder / "empty").unlink()
    (folder / "stranger").write_text("?")
    answer = call("verify")
    assert answer.code == 2
    assert f"{folder / 'empty'}: is missing" in answer.out
    assert f"{folder / 'stranger'}: is none of the artifact's" in answer.out


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_collecting_removes_what_no_named_study_needs_and_only_when_it_is_told_to(call: Call, root: Path) -> None:
    store = root / "store"
    write_study(root / "other.toml", 20, 40)
    assert call("run").code == 0 and call("run", study="other.toml").code == 0
    both = contents(store)
    assert call("gc", study="small.toml other.toml").out.startswith("nothing")

    before = tree(store)
    told = call("gc", study="other.toml")
    assert told.code == 0 and "--delete does it" in told.out
    assert tree(store) == before

    needed = {
        key
        for roles in json.loads(call("plan", "--json", study="other.toml").out)["runs"].values()
        for key in roles.values()
    }
    assert call("gc", "--delete", study="other.toml").code == 0
    assert set(contents(store)) == needed < set(both)
    assert call("run", study="other.toml").err.endswith("0 artifacts built\n")
    assert call("verify").code == 0
    assert not [link for link in (store / "studies").rglob("*") if link.is_symlink() and not link.exists()]
    assert call("run").err.endswith(f"{len(both) - len(needed)} artifacts built\n")
    assert contents(store) == both


def test_what_a_stopped_build_left_stays_as_long_as_a_named_study_goes_on_from_it(call: Call, root: Path) -> None:
    store = root / "store"
    write_study(root / "other.toml", 40)
    (root / "mishaps").write_text("refused:model 20\n")
    assert call("run", "--keep-going").code == 2
    (left,) = (store / "building").iterdir()
    assert call("gc", "--delete").code == 0
    assert left.is_dir() and (store / "failures").is_dir() and any((store / "failures").iterdir())
    assert call("gc", "--delete", study="other.toml").code == 0
    assert not any((store / "building").iterdir()) and not any((store / "failures").iterdir())
    assert contents(store).keys() == {f"words/{folder.name}" for folder in (store / "artifacts" / "words").iterdir()}


def test_a_store_that_was_moved_is_whole_where_it_lies_now(call: Call, root: Path, tmp_path: Path) -> None:
    assert call("run").code == 0
    before = contents(root / "store")
    copy = tmp_path / "elsewhere" / "root"
    shutil.copytree(root, copy, symlinks=True)
    shutil.rmtree(root)
    status = json.loads(call("status", "--json", at=copy).out)
    assert status["artifacts"]["finished"] == sum(WHOLE.values())
    assert call("run", at=copy).err.endswith("0 artifacts built\n")
    assert Path(call("report", at=copy).out.strip()).is_file()
    assert call("verify", at=copy).code == 0
    assert contents(copy / "store") == before
    links = [link for link in (copy / "store" / "studies").rglob("*") if link.is_symlink()]
    assert links and all(link.resolve().is_relative_to(copy) for link in links)


def test_status_tells_who_builds_what_and_how_training_goes(call: Call, root: Path) -> None:
    assert call("run", "--only", "10").code == 0
    key = json.loads(call("plan", "--json").out)["runs"]["20"]["model"]
    lease = leases.acquire(root / "store" / "building", key.replace("/", "-"))
    assert lease is not None
    lease.beat((30, 120, "tokens"), 90.0)
    logs = root / "store" / "logs" / key.replace("/", "-")
    logs.mkdir()
    (logs / "steps.jsonl").write_text('{"step": 0, "nats_per_token": 3.5}\n{"step": 1, "nats_per_token": 2.25}\n{"st')
    (logs / "probes.jsonl").write_text('{"language": "zh", "rows": 1, "bits_per_byte": 1.5}\n')
    answer = call("status")
    line = next(line for line in answer.out.splitlines() if line.startswith("building: "))
    assert line.startswith("building: model (20) on ")
    assert line.endswith("30 of 120 tokens, for 0 s, 1 min left, loss 2.250, 1.500 bits per byte of zh")
    status = json.loads(call("status", "--json").out)
    assert status["runs"]["20"]["model"] == "building" and status["left"]["num_at_once"] == 1
    assert status["left"]["seconds"] >= 90

    refused = call("verify", "--discard")
    assert refused.code == 2 and f"is building {key}" in refused.err
    write_study(root / "other.toml", 10)
    refused = call("gc", "--delete", study="other.toml")
    assert refused.code == 2 and "none of the named studies needs" in refused.err
    lease.release()


def test_watching_ends_where_all_is_finished_and_with_130_at_ctrl_c(call: Call, root: Path) -> None:
    assert call("run", "--only", "10", "--until", "cut").code == 0
    place = ("--data", root, "--store", root / "store", "--stages", "tests.cli.control_stages")
    words = [sys.executable, "-m", "loanword.cli", "status", root / "small.toml", *place, "--watch", "0.1", "--json"]
    watching = subprocess.Popen([str(word) for word in words], env=environment(), stdout=subprocess.PIPE, cwd=ROOT)
    assert watching.stdout is not None
    lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
    assert [line["artifacts"]["finished"] for line in lines] == [2, 2]
    watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 130
    watching.stdout.close()
    assert call("run").code == 0
    last = call("status", "--watch", "0.1", "--json")
    assert last.code == 0 and json.loads(last.out)["artifacts"]["waiting"] == 0


def test_a_base_that_is_a_link_is_linked_anew_where_store_and_data_are_now(
    loanword: Loanword, checkpoint: Path, tmp_path: Path
) -> None:
    root, moved = tmp_path / "root", tmp_path / "moved"
    root.mkdir()
    shutil.copytree(checkpoint, root / "base")
    (root / "zh.jsonl").write_text('{"text": "words"}\n')
    (root / "base.toml").write_text(
        STUDY.format(budgets='"1" = { "pretraining.budget" = { documents = 1 } }').replace("org/name", "base")
    )

    def call(verb: str, at: Path, *more: str) -> Answer:
        return loanword(verb, at / "base.toml", "--data", at, "--store", at / "store", *more)

    assert call("run", root, "--only", "base", "--no-report").code == 0
    before = contents(root / "store")
    root.rename(moved)
    checked = call("verify", moved)
    assert checked.code == 2 and f"is a link to {root / 'base'}, which is not there" in checked.out
    again = call("run", moved, "--only", "base", "--no-report")
    assert again.code == 0 and "1 artifacts built" in again.err
    assert contents(moved / "store") == before
    assert call("verify", moved).code == 0


def test_what_only_finished_artifacts_were_made_of_is_waited_for_no_more(call: Call, root: Path) -> None:
    assert call("run").code == 0
    shutil.rmtree(next((root / "store" / "artifacts" / "cut").iterdir()))
    last = json.loads(call("status", "--watch", "--json").out)
    assert last["artifacts"]["not needed"] == 1 and last["artifacts"]["waiting"] == 0
    assert call("run").err.endswith("0 artifacts built\n")


def test_status_says_how_long_the_rest_takes_only_where_it_knows(call: Call, root: Path) -> None:
    assert call("run", "--only", "10", "--until", "answers").code == 0
    left = json.loads(call("status", "--json").out)["left"]
    assert left["unknown"] == {"marks": 6}
    assert left["work_seconds"] >= 0 and left["num_at_once"] == 0
    answer = call("status").out
    assert "nothing like it was built here yet: 6 marks" in answer
