"""What is kept of failures, and what is shown of logs."""

import os
import sys
from pathlib import Path

from loanword.store import failures


def test_the_end_of_a_long_log_is_short_and_that_of_the_last_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    earlier = "--- earlier\n" + "old\n" * 100_000
    log.write_text(earlier + "--- later\n" + "".join(f"line {number}\n" for number in range(100)) + "x" * 10_000)
    shown = failures.end_of_log(log)
    assert shown[0] == "line 81" and len(shown) == failures.SHOWN_LINES
    assert len(shown[-1]) < 600
    log.write_text(earlier + "--- later\nwords\nthe error\n  in two lines\n")
    assert failures.end_of_log(log, without="the error\n  in two lines") == ["words"]
    assert failures.end_of_log(tmp_path / "none") == []


def test_what_children_write_is_logged_and_an_empty_log_is_removed(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "one.log"
    log.parent.mkdir()
    log.write_text("--- of a process that was killed before it wrote anything\n")
    with failures.logged(log):
        pass
    assert not log.exists()
    with failures.logged(log):
        os.system(f"{sys.executable} -c \"import sys; sys.stderr.write('from a child')\"")
    assert log.read_text().splitlines()[1:] == ["from a child"]
    with failures.logged(log):
        pass
    assert "from a child" in log.read_text()


def test_a_failure_is_the_newest_one_until_it_is_forgotten(tmp_path: Path) -> None:
    failures.keep(tmp_path, "tokens-1", "tokens/1", "refused", "where - what\n  to do: that")
    failures.keep(tmp_path, "tokens-1", "tokens/1", "crashed", "Traceback\n  line\nZeroDivisionError: a bug\n")
    assert {key: failure.reason for key, failure in failures.kept(tmp_path).items()} == {
        "tokens/1": "ZeroDivisionError: a bug"
    }
    failures.forget(tmp_path, "tokens-1")
    assert failures.kept(tmp_path) == {}
