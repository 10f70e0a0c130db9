"""What of a benchmark is in a text: planted questions are found, and what only resembles them is not."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.corpus import overlap
from loanword.corpus.lines import source_lines
from loanword.corpus.matching import COMMON
from loanword.corpus.ngrams import units
from loanword.corpus.overlap import ExampleText, FrozenList, measure
from loanword.errors import UserError
from loanword.evaluation.benchmarks import USUAL, benchmark_of
from loanword.recipe import BenchmarkConfig, OverlapConfig
from loanword.records import Document, Overlap

CONFIG = OverlapConfig()
RAIN = ExampleText(
    "rain",
    "Why does rain fall more often on the western slopes of a coastal mountain range than on its eastern slopes?\n"
    "Moist air cools as it is lifted\nDry air sinks towards the sea\nMountains are colder at night\nWinds never cross",
)
POEM = ExampleText(
    "poem", "《静夜思》这首诗中表达思念故乡之情的诗句是哪一句？\n床前明月光\n疑是地上霜\n举头望明月\n低头思故乡"
)
FILLER = "The harbour was quiet that morning and nobody had thought of the boats that were still out. "


def found(texts: Sequence[str], examples: Sequence[ExampleText], config: OverlapConfig = CONFIG) -> dict[str, Overlap]:
    """By example id; documents are named by their place."""
    documents = [Document(id=str(place), text=text) for place, text in enumerate(texts)]
    return {one.id: one for one in measure(documents, examples, config)}


@pytest.mark.parametrize("example", [RAIN, POEM])
def test_an_example_that_stands_in_a_document_touches_it_and_says_where(example: ExampleText):
    planted = f"{FILLER * 5}\nQuestion: {example.text}\nAnswer: A\n{FILLER * 5}"
    one = found([FILLER * 30, planted], [RAIN, POEM])
    assert one[example.id].touched
    assert one[example.id].document == "1"
    assert one[example.id].num_found == one[example.id].num_ngrams > 5
    assert one[example.id].short_share == 1
    (other,) = (one[key] for key in one if key != example.id)
    assert not other.touched
    assert other.num_found == 0


def test_an_edited_copy_is_found_by_its_words_in_one_stretch():
    edited = (
        "WHY do rains fall more frequently on western slopes of the coastal mountain range, than on the eastern ones?\n"
        "(1) winds never cross (2) mountains are far colder at night (3) moist air cools when lifted (4) dry air sinks"
    )
    one = found([FILLER * 9 + edited + FILLER * 9], [RAIN])["rain"]
    assert one.num_found == 0
    assert one.touched
    assert CONFIG.min_share <= one.short_share < 1


def test_an_edited_copy_is_found_by_its_pairs_of_characters():
    edited = "《静夜思》里表达思念故乡之情的诗句是哪句：（A）低头思故乡（B）举头望明月（C）床前看明月光（D）疑似地上霜"
    one = found([f"今天我们读唐诗。{edited}。明天再读。"], [POEM])["poem"]
    assert one.num_found == 0
    assert one.touched


def test_words_that_are_spread_over_a_long_document_are_not_collected():
    spread = " ".join(f"{FILLER}{word} {word}" for word in RAIN.text.split())
    joined = f"{FILLER * 3}{' '.join(RAIN.text.split()[:9])} {FILLER * 3}"
    one = found([spread, joined], [RAIN])["rain"]
    assert not one.touched
    assert 0 < one.short_share < CONFIG.min_share


def test_what_many_examples_share_touches_none_of_them():
    form = (
        "Which of the two statements below about the group named in the question is true, and which of them is false?"
    )
    examples = [
        ExampleText(str(n), f"{form} The group {n} has elements {n}x and {n}y and z") for n in range(COMMON + 1)
    ]
    assert not any(one.touched for one in found([f"{form} {FILLER}"], examples).values())
    assert found([f"{form} {FILLER}"], examples[:-1])["0"].touched


def test_a_short_example_is_found_whole_however_many_begin_like_it():
    examples = [ExampleText(str(n), f"Which of these is not one of the parts of body{n}") for n in range(COMMON + 5)]
    one = found([f"{FILLER}{examples[3].text} {FILLER}"], examples)
    assert [key for key, of in one.items() if of.touched] == ["3"]


def test_a_row_of_numbers_touches_nothing():
    row = " ".join(map(str, range(1, 16)))
    asked = f"Which number of the following series, which a teacher wrote on the board, is not like the others? {row}"
    one = found([f"Table of results: {row} {FILLER}"], [ExampleText("row", asked)])["row"]
    assert not one.touched
    assert one.num_found == 0
    assert one.num_ngrams > 10


@pytest.mark.parametrize(
    ("short", "tells"), [("What is 2 + 2?", False), ("Who wrote the opera about the barber of Seville?", True)]
)
def test_of_what_is_too_short_nothing_is_told(short: str, tells: bool):
    one = found([f"{FILLER}{short} {FILLER}"], [ExampleText("short", short)])["short"]
    assert (one.num_ngrams, one.num_found, one.touched) == (int(tells), int(tells), tells)


def test_an_example_shorter_than_an_ngram_counts_only_whole():
    words = "who wrote the opera about the barber of Seville in Rome"
    config = OverlapConfig(min_share=1.0)
    texts = [
        f"{FILLER}{words.rsplit(' ', 1)[0]} {FILLER}",
        "he asked who wrote the opera about the barber of",
        "Seville in Rome",
    ]
    assert not found(texts, [ExampleText("opera", words)], config)["opera"].touched


@pytest.mark.parametrize("gap", range(-60, 20, 13))
def test_an_example_is_found_wherever_a_long_document_is_cut(gap: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(overlap, "BATCH_CHARACTERS", 3_000)
    monkeypatch.setattr(overlap, "PIECE_OVERLAP_CHARACTERS", 1_000)
    before = (FILLER * 60)[: 3_000 + gap]
    one = found([f"{before} {RAIN.text} {FILLER * 60}"], [RAIN])["rain"]
    assert one.num_found == one.num_ngrams
    assert one.short_share == 1


WORDS = ("rain", "falls", "on", "hills", "and", "seas", "雨", "落", "在", "山", "上", "7")
phrases = st.lists(st.sampled_from(WORDS), max_size=24).map(" ".join)


@settings(max_examples=60)
@given(st.lists(phrases, min_size=1, max_size=5), st.lists(phrases, max_size=4))
def test_ngrams_are_counted_as_sets_of_words_would(examples: list[str], texts: list[str]):
    config = OverlapConfig(word_ngram=5, character_ngram=5, shortest_words=3, shortest_characters=3)
    asked = [ExampleText(str(place), text) for place, text in enumerate(examples)]
    for example, one in zip(examples, found(texts, asked, config).values(), strict=True):
        words = example.split()
        tells = sum(word != "7" for word in words) >= 3
        whole = tells and len(words) < 5
        own = {tuple(words)} if whole else tuples(words, 5) if tells else set[tuple[str, ...]]()
        there = {part for text in texts for part in tuples(text.split(), len(words) if whole else 5)}
        assert one.num_ngrams == len(own)
        assert one.num_found == len(own & there)


def tuples(words: Sequence[str], length: int) -> set[tuple[str, ...]]:
    """N-grams that are not for the most part numbers, where they are not a whole example."""
    made = {tuple(words[place : place + length]) for place in range(len(words) - length + 1)}
    return {one for one in made if length < 5 or 2 * one.count("7") <= length}


def test_any_number_of_workers_finds_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(overlap, "BATCH_CHARACTERS", 2_000)
    texts = [FILLER * 12, RAIN.text, FILLER * 50, POEM.text[:40], RAIN.text + POEM.text, FILLER] * 3
    documents = [Document(id=str(place), text=text) for place, text in enumerate(texts)]
    said: list[int] = []
    measured = [
        measure(iter(documents), [RAIN, POEM], CONFIG, workers, lambda done, total, unit: said.append(done))
        for workers in (1, 2, 3)
    ]
    assert measured[0] == measured[1] == measured[2]
    assert [one.document for one in measured[0]] == ["1", "4"]
    assert said[-1] == len(documents)


def test_a_corpus_without_text_touches_nothing():
    assert [one.touched for one in measure([], [RAIN, POEM], CONFIG)] == [False, False]
    assert found([""], []) == {}


def write_list(path: Path, examples: Sequence[ExampleText]) -> Path:
    path.write_text("".join(json.dumps(one._asdict(), ensure_ascii=False) + "\n" for one in examples), encoding="utf-8")
    return path


def test_a_frozen_list_names_the_first_text_that_is_held(tmp_path: Path):
    listed = FrozenList(write_list(tmp_path / "list.jsonl", [POEM, RAIN]))
    both = f"{RAIN.text} {FILLER} {POEM.text}"
    assert [listed.holds(text) for text in (FILLER, RAIN.text, both, "")] == [None, "rain", "poem", None]
    assert listed.held([FILLER * 7, both, RAIN.text.upper()]) == [None, "poem", "rain"]
    assert listed.held([]) == []


@pytest.mark.parametrize(
    ("content", "what"), [(None, "no such file"), ("", "empty"), ('{"id": "1"}\n', "text: missing"), ("[\n", "JSON")]
)
def test_a_frozen_list_that_is_none_is_refused(content: str | None, what: str, tmp_path: Path):
    path = tmp_path / "list.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=what):
        FrozenList(path)


# On real text.

LABELS = "ABCDEFGH"
WORDS_IN_PLACE = {
    "en": ["the", "under", "runs", "blue", "seven", "market", "inside", "Paris"],
    "zh": ["我们", "进行", "问题", "三个", "北京", "红色", "然而"],
}
FEWEST_UNITS = {"en": 16, "zh": 30}


def asked(shared_data: Path, name: str, split: str) -> list[ExampleText]:
    config = BenchmarkConfig(name=name, folder=USUAL[name].folder, split=split, num_shots=0)  # pyright: ignore[reportArgumentType]
    read = benchmark_of(config).load(shared_data / USUAL[name].folder, config)
    return [ExampleText(one.id, one.text) for subject in read for one in subject.examples]


def text_documents(shared_data: Path, language: str, num_bytes: int) -> Iterator[Document]:
    for line in source_lines([shared_data / f"text/{language}.jsonl.gz"]):
        yield Document(id=str(line.fields["id"]), text=str(line.fields["text"]))
        num_bytes -= len(str(line.fields["text"]).encode())
        if num_bytes <= 0:
            return


def edited(text: str, language: str, rng: random.Random) -> str:
    """A tenth of the words replaced, left out or doubled by another; lines shuffled but for the first, and labelled."""
    parts = [re.findall(r"[\u4e00-\u9fff]{1,2}|[^\u4e00-\u9fff\s]+", line) for line in text.split("\n")]
    places = [(line, place) for line, words in enumerate(parts) for place in range(len(words))]
    for line, place in rng.sample(places, max(1, len(places) // 10)):
        other = rng.choice(WORDS_IN_PLACE[language])
        parts[line][place] = rng.choice((other, "", f"{parts[line][place]} {other}"))
    first, *others = [(" " if language == "en" else "").join(words) for words in parts]
    rng.shuffle(others)
    return "\n\n".join((first, *(f"({LABELS[place % 8]}) {line}" for place, line in enumerate(others)))).replace(
        "，", ","
    )


@pytest.mark.parametrize(
    ("name", "split", "language", "most_others"),
    [("mmlu", "val", "en", 1), ("ceval", "val", "zh", 1), ("agieval", "test", "en", 1), ("gaokao", "test", "zh", 3)],
)
def test_planted_questions_are_found_in_real_text(
    name: str, split: str, language: str, most_others: int, shared_data: Path
):
    rng, examples = random.Random(3), asked(shared_data, name, split)
    documents = list(text_documents(shared_data, language, 2_500_000))
    chosen = rng.sample([one for one in examples if tells(one.text, language)], 60)
    hosts = rng.sample(range(len(documents)), len(chosen))
    for place, (host, one) in enumerate(zip(hosts, chosen, strict=True)):
        planted = one.text if place % 2 else edited(one.text, language, rng)
        before, after = documents[host].text[: 50 * place], documents[host].text[50 * place :]
        documents[host] = Document(id=documents[host].id, text=f"{before}\n{planted}\n{after}")
    measured = {one.id: one for one in measure(documents, examples, CONFIG)}
    assert [one.id for one in chosen if not measured[one.id].touched] == []
    in_hosts = {documents[host].id for host in hosts}
    others = [one.id for one in measured.values() if one.touched and one.document not in in_hosts]
    assert len(others) <= most_others, others


def tells(text: str, language: str) -> bool:
    cut = units([text])
    words = cut.are_characters_U if language == "zh" else ~cut.are_characters_U & ~cut.are_numerals_U
    return int(words.sum()) >= max(FEWEST_UNITS[language], 0.6 * len(words))


def test_without_plants_hardly_anything_is_touched(shared_data: Path):
    texts = {language: list(text_documents(shared_data, language, 2_000_000)) for language in ("en", "zh")}
    for name, split, language in (("mmlu", "val", "en"), ("ceval", "val", "zh"), ("gaokao", "test", "zh")):
        measured = measure(texts[language], asked(shared_data, name, split), CONFIG)
        assert sum(one.touched for one in measured) <= 2


def test_a_frozen_list_of_all_questions_takes_out_the_planted_documents_alone(shared_data: Path, tmp_path: Path):
    examples = asked(shared_data, "ceval", "val")
    listed = FrozenList(write_list(tmp_path / "list.jsonl", examples))
    documents = [one.text for one in islice(text_documents(shared_data, "zh", 2_000_000), 600)]
    planted = list(range(0, len(documents), 25))
    for place, one in zip(planted, (one for one in examples if tells(one.text, "zh")), strict=False):
        documents[place] += one.text
    assert [place for place, held in enumerate(listed.held(documents)) if held] == planted
