"""The page of responses: what is chosen, what is shown of it, and that nothing of it is markup."""

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.records import Judgement, OpenQuestion, Rating, Response, SwitchedSpan, Switching
from loanword.report.gather import RunFolders, RunRecords, read_runs
from loanword.report.quality.chosen import MOST_BESIDE, choose
from loanword.report.quality.responses import MOST_CHARACTERS, direction, marked_texts, write_responses
from tests.report.conftest import StoreLike
from tests.report.judged_runs import RUNS, facts, judged_runs

NASTY = (
    '</blockquote><script>alert("run")</script><img src=x onerror=alert(1)><a href="javascript:alert(2)">link</a>'
    "<style>body{display:none}</style><!-- &amp; {{ 7 * 7 }} <mark>fake</mark>"
)
ARABIC = "العاصمة هي Paris، وهي\u202e مدينة\x07 كبيرة."


class Read(HTMLParser):
    """A page as a browser takes it: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.marks: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)
        if tag == "mark":
            self.marks.append((dict(attrs).get("title") or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if "mark" in self.open:
            self.marks[-1] = (self.marks[-1][0], self.marks[-1][1] + data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def nasty_runs(root: Path) -> list[RunRecords]:
    """One run whose every text tries to be markup, asked in Arabic."""
    id, subject, name = 'q<b>1</b>"', "<i>sub&ject</i>", "judge <u>x</u>"
    text = f"{ARABIC}\n{NASTY}"
    response = Response(
        id=id,
        benchmark="open",
        subject=subject,
        num_shots=0,
        answers=(),
        asked=OpenQuestion(turns=(NASTY, "\u202eثانيا"), references=(NASTY,)),
        texts=(text, "x" * (MOST_CHARACTERS + 5)),
        num_new_tokens=9,
        ended="cut",
    )
    start = text.index("Paris")
    spans = (
        SwitchedSpan(start=start, end=start + 5, level="word", language="<script>en"),
        SwitchedSpan(start=len(ARABIC) + 1, end=len(text), level="script", language="en"),
    )
    seen = Switching(
        id=id, benchmark="open", subject=subject, language="ar", switched=True, spans=spans, num_letters=90, share=0.5
    )
    judge = facts(name=name, models=("<script>model</script>",))
    rating = Rating(id=id, benchmark="open", subject=subject, outcome="unparsed", num_characters=9)
    said = Judgement(id=id, replies=(NASTY, "```json <script>2</script>"), model="<script>model</script>")
    store = StoreLike(root)
    about = {"name": "open", "title": "<script>title</script>", "language": "ar", "answering": "generation"}
    made: dict[str, Path | None] = {
        "responses.open": store.artifact("responses", "r", {"responses.jsonl": [response], "benchmark.json": about}),
        "switching.open": store.artifact("switching", "s", {"switching.jsonl": [seen]}),
        f"judgements.open.{name}": store.artifact("judgements", "j", {"judgements.jsonl": [said], "judge.json": judge}),
        f"ratings.open.{name}": store.artifact("ratings", "n", {"ratings.jsonl": [rating], "judge.json": judge}),
    }
    return read_runs([RunFolders("<script>label</script>", {}, 0, made)])


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("nasty")
    page = write_responses(nasty_runs(folder / "store"), folder)
    assert page is not None
    return Read(page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunRecords]:
    return judged_runs(tmp_path_factory.mktemp("judged"))


def test_html_and_script_in_any_text_are_shown_and_not_run(nasty: Read):
    tags = {tag for tag, _ in nasty.elements}
    assert not tags & {"script", "img", "a", "iframe", "object", "form", "b", "i", "u"}
    assert len(nasty.all("style")) == 1
    assert not [name for _, attributes in nasty.elements for name in attributes if name.startswith("on")]
    assert not [
        value for _, attributes in nasty.elements for value in attributes.values() if value and "javascript:" in value
    ]
    # The question, its reference, the response and the reply of the judge.
    assert nasty.text.count(NASTY) == 4
    for text in (
        "q<b>1</b>",
        "<i>sub&ject</i>",
        "<script>label</script>",
        "<script>title</script>",
        "<script>2</script>",
    ):
        assert text in nasty.text
    assert "{{ 7 * 7 }}" in nasty.text
    assert nasty.open == []


def test_the_page_may_run_nothing_and_load_nothing(nasty: Read):
    (policy,) = [meta["content"] for meta in nasty.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not [attributes for _, attributes in nasty.elements if "src" in attributes]


def test_what_the_detector_found_is_marked_where_it_is(nasty: Read):
    assert nasty.marks[1:] == [("<script>en, by word", "Paris"), ("English, by script", NASTY)]


def test_hidden_characters_are_visible_and_arabic_is_read_from_right_to_left(nasty: Read):
    assert "⟨U+202E⟩" in nasty.text
    assert "⟨U+0007⟩" in nasty.text
    assert not re.search("[\u202e\x07]", nasty.text)
    quoted = nasty.all("blockquote")
    assert {quote["dir"] for quote in quoted if quote.get("lang") == "ar"} == {"rtl"}
    assert "5 more characters" in nasty.text


@pytest.mark.parametrize(
    ("language", "expected"),
    [("ar", "rtl"), ("ur", "rtl"), ("zh", "auto"), ("pa-Arab", "rtl"), ("ar-Latn", "auto"), ("fa-IR", "rtl")],
)
def test_directions_are_those_of_the_languages_script(language: str, expected: str):
    assert direction(language) == expected


@given(
    st.lists(st.text(max_size=40), max_size=3),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 20)), max_size=4),
)
def test_marked_texts_keep_every_character_and_mark_those_in_spans(texts: list[str], spans: list[tuple[int, int]]):
    found = [SwitchedSpan(start=start, end=start + size, level="word", language="en") for start, size in spans]
    joined = "\n".join(texts)
    printable = [text for text in texts if text.isprintable()]
    place = 0
    for text, marked in zip(texts, marked_texts(texts, found), strict=True):
        if text in printable:
            assert "".join(piece.text for piece in marked.pieces) == text
            for piece in marked.pieces:
                assert all(
                    any(span.start <= at < span.end for span in found) == bool(piece.title)
                    for at in range(place, place + len(piece.text))
                )
                place += len(piece.text)
            place += 1
        else:
            place += len(text) + 1
    assert place == len(joined) + bool(texts)


def test_twenty_responses_show_every_run_benchmark_category_and_outcome(runs: list[RunRecords]):
    chosen = choose(runs, 20)
    assert sum(len(one.labels) for one in chosen) == 20
    assert {label for one in chosen for label in one.labels} == {"base", "control", "arm"}
    assert {(one.benchmark, one.key[0]) for one in chosen} >= {
        ("llmeval", "factual"), ("llmeval", "math"), ("llmeval", "poetry"), ("llmeval", "code"), ("belle.ar", "factual")
    }  # fmt: skip
    shown = {(one.benchmark, one.key, label) for one in chosen for label in one.labels}
    switched = {
        of.switched
        for run in runs
        for benchmark, seen in run.switching.items()
        for of in seen
        if (benchmark, (of.subject, of.id), run.label) in shown
    }
    outcomes = {
        rating.outcome
        for run in runs
        for (benchmark, _), judged in run.judged.items()
        for rating in judged.ratings
        if (benchmark, (rating.subject, rating.id), run.label) in shown
    }
    assert switched == {True, False}
    assert outcomes == {"rated", "unparsed", "refused", "not answered"}


def test_runs_stand_side_by_side_and_the_choice_is_the_same_each_time(runs: list[RunRecords]):
    chosen = choose(runs, 20)
    assert chosen == choose(runs, 20)
    assert max(len(one.labels) for one in chosen) == MOST_BESIDE
    assert len({(one.benchmark, one.key) for one in chosen}) == len(chosen)


def test_a_choice_of_more_than_there_is_takes_all_of_it(runs: list[RunRecords]):
    assert sum(len(one.labels) for one in choose(runs, 10_000)) == 360


def test_every_judgement_stands_beside_its_response(runs: list[RunRecords], tmp_path: Path):
    page = write_responses(runs, tmp_path, num_responses=10_000)
    assert page is not None
    text = Read(page.read_text(encoding="utf-8")).text
    ratings = [rating for run in runs for judged in run.judged.values() for rating in judged.ratings]
    num_unread = sum(rating.outcome in ("unparsed", "refused") for rating in ratings)
    assert num_unread > 0
    assert text.count("I would say <b>two</b> & a half") == text.count("asked to mend it") == num_unread
    for rating in ratings[:50]:
        if rating.outcome == "rated":
            assert json.dumps({"scores": rating.scores}) in text
    ((_, preferred),) = runs[RUNS.index("arm")].preferred.items()
    outcomes = Counter(one.outcome for one in preferred.preferences)
    assert text.count("preferred in both orders") == outcomes["arm"] + outcomes["control"]
    assert text.count("the control\u2019s response first") == len(preferred.preferences)


def test_equal_records_give_equal_pages(runs: list[RunRecords], tmp_path: Path):
    pages = [write_responses(runs, tmp_path / name) for name in ("one", "two")]
    assert len({page.read_bytes() for page in pages if page is not None}) == 1


def test_runs_that_answer_in_options_alone_have_no_page(tmp_path: Path):
    store = StoreLike(tmp_path / "store")
    scored = Response(id="1", benchmark="mmlu", subject="law", num_shots=0, answers=("A",), ended="scored")
    about = {"name": "mmlu", "language": "en", "answering": "likelihood"}
    made = {"responses.jsonl": [scored], "benchmark.json": about}
    run = RunFolders("base", {}, 0, {"responses.mmlu": store.artifact("responses", "m", made)})
    assert write_responses(read_runs([run]), tmp_path) is None


def test_ratings_of_a_response_that_is_not_there_are_an_error(tmp_path: Path):
    store = StoreLike(tmp_path / "store")
    about = {"name": "open", "language": "en", "answering": "generation"}
    seen = Switching(id="lost", benchmark="open", subject="s", language="en", switched=False, num_letters=1, share=0.0)
    artifacts = {
        "responses.open": store.artifact("responses", "r", {"responses.jsonl": [], "benchmark.json": about}),
        "switching.open": store.artifact("switching", "s", {"switching.jsonl": [seen]}),
    }
    with pytest.raises(UserError, match=r"responses\.jsonl.*no response to 'lost'"):
        write_responses(read_runs([RunFolders("base", {}, 0, artifacts)]), tmp_path)


def test_responses_that_nobody_has_looked_at_are_shown_too(tmp_path: Path):
    store = StoreLike(tmp_path / "store")
    about = {"name": "open", "language": "en", "answering": "generation"}
    answered = [
        Response(id=str(number), benchmark="open", subject="s", num_shots=0, answers=(), texts=("ok",), ended="stopped")
        for number in range(5)
    ]
    made = {"responses.jsonl": answered, "benchmark.json": about}
    run = RunFolders("base", {}, 0, {"responses.open": store.artifact("responses", "r", made)})
    page = write_responses(read_runs([run]), tmp_path, num_responses=3)
    assert page is not None
    assert page.read_text(encoding="utf-8").count("ended by itself") == 3
