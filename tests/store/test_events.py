"""What happened, and words that others read while they are written."""

from pathlib import Path

from loanword.store.events import Events, events
from loanword.store.spoken import append_line, whole_lines


def test_events_of_all_processes_come_by_time(tmp_path: Path) -> None:
    one, two = Events(tmp_path, "n1"), Events(tmp_path, "n2")
    one.note("lost", "trunk/a", job="7", told="gone")
    two.note("taken over", "trunk/a")
    one.note("submitted again", "trunk/a")
    found = events(tmp_path)
    assert [(event.kind, event.host) for event in found] == [
        ("lost", "n1"),
        ("taken over", "n2"),
        ("submitted again", "n1"),
    ]
    assert (found[0].job, found[0].told) == ("7", "gone")
    assert len(list((tmp_path / "events").iterdir())) == 2


def test_where_nothing_happened_nothing_is_there(tmp_path: Path) -> None:
    Events(tmp_path)
    assert events(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_a_line_that_is_being_written_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "words"
    assert whole_lines(path, 0) == ([], 0)
    append_line(path, "第一")
    with path.open("a", encoding="utf-8") as file:
        file.write("half")
    lines, behind = whole_lines(path, 0)
    assert lines == ["第一"]
    append_line(path, " and half")
    assert whole_lines(path, behind)[0] == ["half and half"]
