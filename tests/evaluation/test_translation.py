import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.evaluation.back_translation import chrf
from loanword.evaluation.corrections import Flagged, read_corrections, settle, write_flagged
from loanword.evaluation.corrections import given as given_by
from loanword.evaluation.translation import Text, Translated, TranslationConfig, Translator
from loanword.evaluation.translation_checks import suspicions
from loanword.evaluation.translation_journal import Asked, Journal
from loanword.evaluation.translation_prompt import PROMPT_VERSION, Direction, translation_prompt
from loanword.evaluation.translation_requests import Asker, Calls, Limits
from loanword.language_names import NAMES, english_name
from loanword.protocols import Generated
from loanword.records import write_lines
from tests.evaluation.translating import Speaking, spoken

GOLDEN = Path(__file__).parents[1] / "golden"
SWAHILI = Direction("en", "sw", "English", "Swahili")
CHINESE = Direction("en", "zh", "English", "Chinese")


def config(**changes: object) -> TranslationConfig:
    values = {"source": "en", "target": "sw", "source_name": "English", "target_name": "Swahili", "model": "m"}
    return TranslationConfig.model_validate(values | changes)


def texts(*said: str) -> list[Text]:
    return [Text("set.jsonl", number, "", "question", text) for number, text in enumerate(said, start=1)]


def run(speaker: Speaking, asked: list[Text], journal: Path, *, calls: Calls = Calls(1, 4), **changes: object):  # noqa: B008
    how = config(**changes)
    with Journal(journal) as kept:
        translator = Translator(how, kept)
        asker = Asker(speaker, kept, calls, Limits(how.max_new_tokens), chat=how.chat)
        assert translator.ask_all(asked, asker)
        return translator.translated(asked)


def test_prompts_are_those_that_their_version_stands_for():
    chat = translation_prompt("Is {x} 5?", SWAHILI, context="What is bigger?", chat=True, id="1")
    plain = translation_prompt("Ni 5?", SWAHILI.back, chat=False, id="2")
    shown = "".join(f"=== {prompt.system}|{prompt.header}|{prompt.question}\n" for prompt in (chat, plain))
    # A prompt that says something else is another version: raise it, and write the file of that version.
    assert shown == (GOLDEN / f"translation_prompt_{PROMPT_VERSION}.txt").read_text(encoding="utf-8")


def test_every_language_has_a_name_of_its_own_and_codes_of_unknown_parts_have_none():
    assert len(set(NAMES.values())) == len(NAMES)
    assert english_name("pt-BR") == "Portuguese (Brazil)"
    assert english_name("zh-Hant-TW") == "Chinese (traditional characters, Taiwan)"
    assert [english_name(code) for code in ("xx", "sw-Xxxx", "english")] == [None, None, None]


def _ngrams(text: str, size: int) -> Counter[str]:
    bare = "".join(text.split())
    return Counter(bare[start : start + size] for start in range(len(bare) - size + 1))


def _popovic(source: str, back: str) -> float:
    """chrF with n-grams of 1 to 6 characters and beta 2, from the paper's definition."""
    precisions: list[float] = []
    recalls: list[float] = []
    for size in range(1, 7):
        wanted, found = _ngrams(source, size), _ngrams(back, size)
        if wanted and found:
            common = (wanted & found).total()
            precisions.append(common / found.total())
            recalls.append(common / wanted.total())
    if not precisions or not sum(precisions):
        return 0.0
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * 5 * precision * recall / (4 * precision + recall)


@given(st.text("abc 甲乙", max_size=20), st.text("abc 甲乙", max_size=20))
def test_chrf_is_that_of_its_definition(source: str, back: str):
    assert chrf(source, back) == pytest.approx(_popovic(source, back), abs=1e-9)


@pytest.mark.parametrize(
    ("source", "said", "why"),
    [
        ("Which of these is a peninsula?", "Which of these is a peninsula?", "echo"),
        ("Which of these four is a small peninsula?", "Which of these four is a small rasi?", "echo"),
        ("Give me the name of the capital of Kenya.", "Nairobi.", "much shorter"),
        ("What is the capital of Kenya?", "Mji mkuu wa Kenya ni Nairobi.", "question mark"),
        ("Name a river.", "Mto mmoja mkubwa ni Mto Nile, ambao unapita katika nchi nyingi za Afrika.", "much longer"),
        ("Name a river of Africa.", "  \n", "no text"),
        ("Name a river of Africa.", "Swahili translation:\nTaja mto wa Afrika.", "words of the prompt"),
        ("Name a river of Africa.", "“Taja mto wa Afrika.”", "quotation marks"),
        ("Name 3 rivers of Africa.", "Taja mito ya Afrika.", "number 3 is missing"),
    ],
)
def test_what_is_no_translation_is_suspicious(source: str, said: str, why: str):
    assert any(why in found for found in suspicions(source, said, SWAHILI, leading=True))


@pytest.mark.parametrize(
    ("source", "said", "direction", "leading"),
    [
        ("Which of these is a peninsula?", "Ni ipi kati ya hizi ni rasi?", SWAHILI, True),
        ("Jean-Paul Sartre", "Jean-Paul Sartre", SWAHILI, False),
        ("None of the above is correct", "以上皆非", CHINESE, False),
        ("Which is larger?", "哪个更大？", CHINESE, True),
        ("What is it?", "มันคืออะไร", Direction("en", "th", "English", "Thai"), True),
        ("He said “no”.", "Alisema “hapana”.", SWAHILI, True),
    ],
)
def test_what_a_good_translation_may_look_like_is_not(source: str, said: str, direction: Direction, leading: bool):
    assert suspicions(source, said, direction, leading=leading) == []


def test_text_in_the_script_of_another_language_is_suspicious():
    found = suspicions("Which of these is a peninsula?", "Ni ipi kati ya hizi ni rasi?", CHINESE, leading=True)
    assert found == ["not written as Chinese is"]


def test_human_translations_are_rarely_suspicious_and_wrong_ones_are(shared_data: Path):
    folder = shared_data / "parallel" / "flores200-devtest"
    source, good = ((folder / f"{code}.txt").read_text("utf-8").split("\n")[:1012:4] for code in ("en", "sw"))
    num_flagged = sum(bool(suspicions(*pair, SWAHILI, leading=True)) for pair in zip(source, good, strict=True))
    assert num_flagged <= 0.02 * len(source)
    assert all(suspicions(text, text, SWAHILI, leading=True) for text in source)


def test_equal_texts_are_asked_once_and_what_was_asked_is_never_asked_again(tmp_path: Path):
    model, again = Speaking(), Speaking()
    asked = texts("Where is the lake?", "Where is the lake?", "12 + 30", "How deep is {lake}?")
    first = run(model, asked, tmp_path / "journal.jsonl")
    there = ["Where is the lake?", "How deep is {lake}?"]
    assert model.texts == [*there, *map(spoken, there)]
    assert [(one.translation, one.back_translation) for one in first] == [
        (spoken(there[0]), there[0]), ("12 + 30", None), (spoken(there[1]), there[1]),
    ]  # fmt: skip
    assert [one.chrf for one in first] == [pytest.approx(100), None, pytest.approx(100)]
    assert run(again, asked, tmp_path / "journal.jsonl") == first
    assert again.texts == []


@pytest.mark.parametrize(
    "changes", [{"target": "id", "target_name": "Indonesian"}, {"model": "n"}, {"chat": False}, {"source_name": "Old"}]
)
def test_what_is_asked_in_another_way_is_asked(changes: dict[str, Any], tmp_path: Path):
    run(Speaking(), texts("Where is the lake?"), tmp_path / "journal.jsonl")
    model = Speaking()
    run(model, texts("Where is the lake?"), tmp_path / "journal.jsonl", **changes)
    assert len(model.texts) == 2


def test_calls_that_run_at_once_give_what_calls_in_turn_give(tmp_path: Path):
    asked = texts(*(f"What is number {number} of the list?" for number in range(20)))
    one = run(Speaking(), asked, tmp_path / "one.jsonl")
    many = run(Speaking(), asked, tmp_path / "many.jsonl", calls=Calls(8, 1))
    assert one == many
    assert all(not found.why for found in one)


class Narrow(Speaking):
    """Has room for so many characters."""

    most = 60

    def generate(self, prompts, decoding, progress=lambda *_: None):
        said = super().generate(prompts, decoding, progress)
        long = [len(prompt.question) > self.most + 40 for prompt in prompts]
        return [Generated("", 0, 0, "too long") if cut else one for one, cut in zip(said, long, strict=True)]


def test_a_text_that_is_too_long_is_asked_in_halves_where_sentences_end(tmp_path: Path):
    text = "The first sentence is here. Then the second one follows.\n\nA third one ends it all. And so on."
    (found,) = run(Narrow(), texts(text), tmp_path / "journal.jsonl")
    assert (found.translation, found.back_translation, found.why) == (spoken(text), text, ())
    sentence = "one word after another and no end to it " * 4
    (found,) = run(Narrow(), texts(sentence), tmp_path / "other.jsonl")
    assert "longer than the model's context, and one sentence" in found.why


class Brief(Speaking):
    """Is cut at 5 tokens."""

    def generate(self, prompts, decoding, progress=lambda *_: None):
        said = super().generate(prompts, decoding, progress)
        short = decoding.max_new_tokens < 5
        return [Generated(one.text[:4], 0, 4, "cut") if short else one for one in said]


def test_what_was_cut_is_flagged_and_asked_again_with_more_room_only(tmp_path: Path):
    asked, journal = texts("Where is the deep lake?"), tmp_path / "journal.jsonl"
    (found,) = run(Brief(), asked, journal, max_new_tokens=4)
    assert "cut at 4 tokens" in found.why
    again = Brief()
    run(again, asked, journal, max_new_tokens=3)
    assert again.texts == []
    (found,) = run(again, asked, journal, max_new_tokens=8)
    assert (found.why, len(again.texts)) == ((), 2)
    run(again, asked, journal, max_new_tokens=4)
    assert len(again.texts) == 2, "what has ended by itself is the same in less room"


def test_a_bad_back_translation_is_flagged_and_that_of_a_short_option_only_with_its_item(tmp_path: Path):
    question = "Which of these holds the most water?"
    asked = [
        Text("set.csv", 1, "", "question", question),
        Text("set.csv", 1, "", "A", "a pond", context=question, leading=False),
        Text("set.csv", 2, "", "question", "Which of these flies the highest of all?"),
        Text("set.csv", 2, "", "A", "an owl", context="Which of these flies the highest of all?", leading=False),
    ]
    lost = {spoken("a pond"): "xyz", spoken(asked[2].text): "qrstuvw qrstuvw?", spoken("an owl"): "xyz"}
    model = Speaking(says_else=lambda text, language: lost.get(text) if language == "Swahili" else None)
    found = run(model, asked, tmp_path / "journal.jsonl")
    assert [bool(one.why) for one in found] == [False, False, True, True]
    assert "below 30" in found[2].why[-1]
    silent = run(model, asked, tmp_path / "journal.jsonl", back_translation=False)
    assert [one.chrf for one in silent] == [None] * 4


def test_options_that_differ_and_read_alike_are_flagged(tmp_path: Path):
    def option(letter: str, text: str) -> Text:
        return Text("set.csv", 1, "", letter, text, context="How is it?", leading=False)

    asked = [option("A", "very big"), option("B", "very large"), option("C", "so small"), option("D", "very big")]
    model = Speaking(says_else=lambda text, language: "kubwa" if text in ("very big", "very large") else None)
    found = run(model, asked, tmp_path / "journal.jsonl", back_translation=False)
    assert [one.why for one in found] == [(), ("reads as A of its question does",), ()]


class Refusing(Speaking):
    """Fails on texts that name a thing."""

    def says(self, prompt):
        if "bomb" in prompt.question:
            raise UserError("server", "HTTP 400: filtered")
        return super().says(prompt)


def test_a_text_that_is_refused_while_others_are_answered_is_flagged(tmp_path: Path):
    asked = texts(*(f"What is number {number}?" for number in range(30)), "What is a bomb?")
    found = run(Refusing(), [asked[-1], *asked[:-1]], tmp_path / "journal.jsonl", calls=Calls(2, 1))
    assert [one.text.text for one in found if one.why] == ["What is a bomb?"]
    assert found[0].why[0] == "no answer: HTTP 400: filtered"
    with pytest.raises(UserError, match="HTTP 400"):
        run(Refusing(), asked[-1:], tmp_path / "other.jsonl", calls=Calls(2, 1))


def test_a_text_that_is_refused_last_or_again_is_flagged_and_asked_no_more_once_it_is_corrected(tmp_path: Path):
    asked, journal = texts("What is a lake?", "What is a bomb?"), tmp_path / "journal.jsonl"
    for _ in range(2):
        found = run(Refusing(), asked, journal, calls=Calls(1, 1))
        assert [one.translation for one in found] == [spoken("What is a lake?"), ""]
        assert (found[0].back_translation, found[1].why[0]) == ("What is a lake?", "no answer: HTTP 400: filtered")
    path = write_flagged(found[1:], tmp_path / "a.flagged.jsonl")
    line = Flagged.from_json(path.read_bytes(), where=path)
    write_lines([line.model_copy(update={"translation": "Bomu ni nini?"})], path)
    corrections = read_corrections([path], asked)
    with Journal(journal) as kept:
        translator = Translator(config(), kept, given_by(corrections))
        assert translator.unasked(asked) == []
        settled = settle(translator.translated(asked), corrections)
    assert (settled.num_corrected, settled.flagged) == (1, [])
    assert list(settled.translations.values()) == [spoken("What is a lake?"), "Bomu ni nini?"]


def test_no_more_is_asked_than_the_limit_allows(tmp_path: Path):
    asked = texts(*(f"What is number {number} of the long list?" for number in range(50)))
    with Journal(tmp_path / "journal.jsonl") as journal:
        translator = Translator(config(), journal)
        with pytest.raises(UserError, match="--limit-tokens 2000"):
            translator.ask_all(asked, Asker(Speaking(), journal, Calls(4, 1), Limits(64, 2000), chat=True))
        assert 0 < journal.spent_tokens <= 2000
        assert 0 < len(journal) < 50


def asked_record(number: int) -> Asked:
    return Asked(
        key=str(number), source="en", target="sw", text="a", said="b\u2028", ended="stopped", num_prompt_bytes=40,
        num_tokens=3, max_new_tokens=9,
    )  # fmt: skip


def test_a_journal_keeps_whole_lines_and_drops_what_a_kill_cut_off(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        for number in range(3):
            journal.add(asked_record(number))
        spent = journal.spent_tokens
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    with Journal(path) as journal:
        assert (len(journal), journal.spent_tokens) == (3, spent)
        journal.add(asked_record(3))
    with Journal(path) as journal:
        assert len(journal) == 4
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1][:-9], *lines[2:]]))
    with pytest.raises(UserError, match=r"journal\.jsonl:2"):
        Journal(path)


def test_two_processes_do_not_write_one_journal(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from loanword.evaluation.translation_journal import Journal\n"
        "with Journal(Path(sys.argv[1])): print('open', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "journal.jsonl"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(UserError, match="another process"):
            Journal(path)
        other.kill()
        other.wait(timeout=30)
        Journal(path).__exit__(None, None, None)


def one_flagged(number: int, translation: str = "Ziwa?", text: str = "Which lake is it?") -> Translated:
    return Translated(
        Text("a.csv", number, "", "question", text), translation, "Lake?", 12.345, ("number 3 is missing",)
    )


def test_corrections_are_what_differs_or_was_reviewed_and_nothing_else(tmp_path: Path):
    flagged = [one_flagged(1), one_flagged(2, text="What?"), one_flagged(3, text="Who?"), one_flagged(4, text="Why?")]
    path = write_flagged(flagged, tmp_path / "a.flagged.jsonl")
    assert write_flagged(flagged, path) == path
    lines = [Flagged.from_json(line, where=path) for line in path.read_bytes().splitlines()]
    assert (lines[0].chrf, lines[0].back_translation, lines[0].why) == (12.3, "Lake?", ("number 3 is missing",))
    changes: list[dict[str, object]] = [{"translation": "Ziwa gani?"}, {"reviewed": True}, {}, {"translation": " "}]
    write_lines((line.model_copy(update=change) for line, change in zip(lines, changes, strict=True)), path)
    corrections = read_corrections([path], [one.text for one in flagged])
    settled = settle(flagged, corrections)
    assert settled.num_corrected == 2
    assert [one.text.line for one in settled.flagged] == [3, 4]
    assert list(settled.translations.values()) == ["Ziwa gani?", "Ziwa?", "Ziwa?", "Ziwa?"]
    assert write_flagged(settled.flagged, path) == tmp_path / "a.flagged-2.jsonl", "what people wrote stays"


def test_what_the_model_said_before_is_no_correction_of_what_it_says_now(tmp_path: Path):
    path = write_flagged([one_flagged(1, "Zi")], tmp_path / "a.flagged.jsonl")
    now = one_flagged(1, "Ni ziwa gani?")
    corrections = read_corrections([path], [now.text])
    assert given_by(corrections) == frozenset()
    settled = settle([now], corrections)
    assert (settled.num_corrected, settled.flagged) == (0, [now])
    assert list(settled.translations.values()) == ["Ni ziwa gani?"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "Which hill is it?"}, "is another text"),
        ({"field": "B"}, "no such text in the set"),
        ({"translation": " ", "reviewed": True}, "reviewed, but without a translation"),
    ],
)
def test_a_correction_of_something_else_is_refused(change: dict[str, object], said: str, tmp_path: Path):
    path = write_flagged([one_flagged(1)], tmp_path / "a.flagged.jsonl")
    line = Flagged.from_json(path.read_bytes(), where=path)
    write_lines([line.model_copy(update=change)], path)
    with pytest.raises(UserError, match=rf"a\.flagged\.jsonl:1 - .*{said}"):
        read_corrections([path], [one_flagged(1).text])
