import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from loanword.evaluation.answering import answer, batches
from loanword.evaluation.benchmarks import asked_config, asking_of, benchmark_of
from loanword.evaluation.facts import benchmark_facts
from loanword.evaluation.grading import grade
from loanword.protocols import OpenPrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import ChoiceScore, Response
from tests.evaluation.descriptions import (
    AFRIMMLU,
    BELEBELE,
    BENGALI,
    GLOBAL_MMLU,
    INCLUDE,
    SWAHILI,
    TSV,
    URDU,
    choices,
    config,
    csv,
    lines,
    loaded,
    text,
)
from tests.evaluation.models import AlwaysA, Dice, Ruled


def test_belebele_is_a_number_and_a_passage(tmp_path: Path):
    lines(tmp_path / "swh_Latn.jsonl", SWAHILI)
    first, second = choices(tmp_path, config(description=BELEBELE))
    assert text(first) == (
        "Mji wa Orrin una madaraja tisa.\nSwali: Madaraja ni mangapi?\nA. Mawili\nB. Tisa\nC. Kumi\nD. Hakuna\nJibu:"
    )
    assert text(second).startswith("Boti {la mwisho} liliondoka")
    assert first.choices == (" A", " B", " C", " D")
    (questions,) = loaded(tmp_path, config(description=BELEBELE))
    assert [(example.id, example.answers) for example in questions.examples] == [
        ("all/test/0", ("B",)),
        ("all/test/1", ("A",)),
    ]


def test_global_mmlu_is_a_letter_by_subject_in_letters_of_its_own(tmp_path: Path):
    csv(tmp_path / "bn.csv", BENGALI)
    csv(tmp_path / "bn-dev.csv", [BENGALI[1], BENGALI[2]])
    asked = config(description=GLOBAL_MMLU, num_shots=1)
    first, last, middle = choices(tmp_path, asked)
    assert text(first) == (
        "বিষয়: harbours\n\n"
        "জাহাজ কখন ছাড়ে?\nক. সকালে\nখ. দুপুরে\nগ. রাতে\nঘ. কখনও না\nউত্তর: গ\n\n"
        "ওরিন বন্দরে কয়টি বাতিঘর আছে?\nক. একটি\nখ. দুটি\nগ. তিনটি\nঘ. None\nউত্তর:"
    )
    assert first.choices == (" ক", " খ", " গ", " ঘ")
    assert (last.id, middle.id) == ("harbours/test/1", "bridges/test/0")
    harbours, bridges = loaded(tmp_path, asked)
    assert [example.answers for example in harbours.examples] == [("ক",), ("গ",)]
    assert bridges.examples[0].options == ("কাঁচের সেতু", "ইল স্ট্রিট", "NA", "১.৫০")
    scores = benchmark_of(asked).scores([harbours.subject, bridges.subject])
    assert [(score.name, score.over, score.subjects) for score in scores] == [
        ("accuracy", "questions", ("harbours", "bridges")),
        ("mean of subjects", "subjects", ("harbours", "bridges")),
        ("Orrin", "questions", ("harbours", "bridges")),
    ]


def test_include_is_an_index_into_a_list_and_its_script_stays_as_it_is(tmp_path: Path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(URDU), tmp_path / "urdu.parquet")
    asked = config(split="val", description=INCLUDE)
    first, second = choices(tmp_path, asked)
    assert text(first) == "سوال: اورین کہاں ہے؟\u200f (12)\nأ) شمال\nب) جنوب\nج) مشرق\nجواب:"
    assert text(second) == "سوال: پل کتنے ہیں؟\nأ) ا\u0654یک\nب) نـو\nج) دس\nد) صفر\nه) سو\nجواب:"
    assert (first.choices, len(second.choices)) == ((" أ", " ب", " ج"), 5)
    (questions,) = loaded(tmp_path, asked)
    assert [(example.id, example.answers) for example in questions.examples] == [("u1", ("ج",)), ("u2", ("ب",))]
    facts = benchmark_facts(benchmark_of(asked), asked, asking_of(asked), [questions])
    assert facts["scores"][0]["chance"] == pytest.approx((1 / 3 + 1 / 5) / 2)
    assert (facts["title"], facts["language"]) == ("mine", "ur")


def test_afrimmlu_is_a_list_inside_of_a_text(tmp_path: Path):
    row = "geo\tMto wa Quennel unaishia wapi?\t\"['Bahari', 'Ziwa', \"\"Orrin's\"\", 'Jangwa']\"\tC\n"
    (tmp_path / "test.tsv").write_text(TSV + row, encoding="utf-8")
    (tmp_path / "dev.tsv").write_text(TSV + 'geo\tNgapi?\t["1.50", "2"]\tB\n', encoding="utf-8")
    (prompt,) = choices(tmp_path, config(description=AFRIMMLU, num_shots=1))
    assert text(prompt) == (
        "Ngapi?\nA. 1.50\nB. 2\nAnswer: B\n\n"
        "Mto wa Quennel unaishia wapi?\nA. Bahari\nB. Ziwa\nC. Orrin's\nD. Jangwa\nAnswer:"
    )


OPTIONS = BELEBELE | {"scored": "options", "prompt": "{question}\nJibu:"}


def test_options_may_be_scored_by_their_text(tmp_path: Path):
    lines(tmp_path / "swh_Latn.jsonl", SWAHILI)
    lines(tmp_path / "dev.jsonl", SWAHILI[1:])
    files = {"files": {"test": "swh_Latn.jsonl", "dev": "dev.jsonl"}}
    asked = config(description=OPTIONS | files, num_shots=1)
    prompt, _ = choices(tmp_path, asked)
    assert text(prompt) == (
        "Boti {la mwisho} liliondoka saa tatu.\nSwali: Boti liliondoka lini?\nJibu: Saa tatu\n\n"
        "Mji wa Orrin una madaraja tisa.\nSwali: Madaraja ni mangapi?\nJibu:"
    )
    assert prompt.choices == (" Mawili", " Tisa", " Kumi", " Hakuna")
    scored = response(asked, tmp_path).model_copy(
        update={
            "scores": (
                ChoiceScore(
                    choices=prompt.choices, log_likelihoods_nats=(-3.0, -1.0, -2.0, -4.0), choice_ids=((1,),) * 4
                ),
            ),
            "ended": "scored",
        }
    )
    judged = grade(scored, asking_of(asked), GradesConfig())
    assert (judged.outcome, judged.given, judged.answer) == ("correct", "Tisa", "Tisa")


def response(asked: BenchmarkConfig, folder: Path, said: str = "") -> Response:
    example = loaded(folder, asked)[0].examples[0]
    return Response(
        id=example.id,
        benchmark="mine",
        subject="all",
        num_shots=0,
        answers=example.answers,
        options=example.options,
        texts=(said,),
        ended="stopped",
    )


@pytest.mark.parametrize(
    ("said", "outcome"), [("Tisa", "correct"), (" Kumi\n", "incorrect"), ("B", "unparsed"), ("", "unparsed")]
)
def test_a_generated_option_is_read_by_its_text(tmp_path: Path, said: str, outcome: str):
    lines(tmp_path / "swh_Latn.jsonl", SWAHILI)
    asked = config(description=OPTIONS, answering="generation")
    assert grade(response(asked, tmp_path, said), asking_of(asked), GradesConfig()).outcome == outcome


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("ج", "correct"), ("ب", "incorrect"), ("مشرق", "correct"), ("ه", "unparsed"), ("?", "unparsed")],
)
def test_a_generated_letter_is_read_in_the_letters_of_the_prompt(tmp_path: Path, said: str, outcome: str):
    # The first question has three options: the fifth letter is none of them.
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(URDU), tmp_path / "urdu.parquet")
    asked = config(split="val", description=INCLUDE, answering="generation")
    for extraction in ("official", "robust"):
        judged = grade(response(asked, tmp_path, said), asking_of(asked), GradesConfig(extraction=extraction))
        assert judged.outcome == outcome


BLANKS = [
    SWAHILI[0],
    SWAHILI[1] | {"flores_passage": "Boti liliondoka.", "question": "Boti liliondoka saa ____ asubuhi"},
]


@pytest.mark.parametrize("described", [BELEBELE, OPTIONS], ids=["letters", "options"])
def test_statements_are_asked_in_the_words_of_a_description(tmp_path: Path, described: dict[str, Any]):
    lines(tmp_path / "swh_Latn.jsonl", BLANKS)
    lines(tmp_path / "dev.jsonl", BLANKS)
    header = {"files": {"test": "swh_Latn.jsonl", "dev": "dev.jsonl"}, "header": "Chagua herufi.\n\n"}
    asked = config(description=described | header, protocol="options", num_shots=2)
    first, second = choices(tmp_path, asked)
    cued = "Mji wa Orrin una madaraja tisa.\nSwali: Madaraja ni mangapi?\nJibu:"
    stem = "Boti liliondoka.\nSwali: Boti liliondoka saa"
    shots = f"{cued} Tisa\n\n{stem} Saa tatu asubuhi\n\n"
    assert (text(first), text(second)) == (shots + cued, shots + stem)
    assert first.choices == (" Mawili", " Tisa", " Kumi", " Hakuna")
    assert second.choices == (" Saa tatu asubuhi", " Saa nne asubuhi", " Asubuhi asubuhi", " Jana asubuhi")
    alone = choices(tmp_path, config(description=described | header, protocol="options-only"))
    assert [(text(one), one.choices[0]) for one in alone] == [("", "Mawili"), ("", "Saa tatu")]
    (questions,) = loaded(tmp_path, asked)
    assert [example.answers for example in questions.examples] == [("B",), ("A",)]
    assert [scores(Ruled(), tmp_path, one) for one in (asked, config(description=described, protocol="options"))] == [
        [0, 1],
        [0, 1],
    ]


@pytest.mark.parametrize(
    ("prompt", "cued"),
    [
        ("{question}\n{options}\n正解：", "問い？\n正解： "),
        ("{options}\n\n{question} ", "\n問い？  "),
        ("{{x}} {question} {options} →", "{x} 問い？  → "),
    ],
)
def test_a_statement_has_no_place_for_its_options(tmp_path: Path, prompt: str, cued: str):
    lines(tmp_path / "swh_Latn.jsonl", [SWAHILI[0] | {"question": "問い？"}])
    described = BELEBELE | {"prompt": prompt, "question": "{question}"}
    (one,) = choices(tmp_path, config(description=described, protocol="options"))
    assert one.question + one.choices[0] == f"{cued}Mawili"


def test_statements_are_named_by_the_letters_of_a_description_and_graded_without_its_files(tmp_path: Path):
    csv(tmp_path / "bn.csv", BENGALI)
    asked = config(description=GLOBAL_MMLU, protocol="options")
    facts = benchmark_facts(benchmark_of(asked), asked, asking_of(asked), loaded(tmp_path, asked))
    again = asked_config(json.loads(json.dumps(facts)))
    (batch, _) = batches(loaded(tmp_path, asked))
    graded = [
        grade(one, asking_of(again), GradesConfig()) for one in answer(AlwaysA(), "x", batch, asking_of(again), asked)
    ]
    assert [(one.given, one.answer, one.score) for one in graded] == [("ক", "ক", 1), ("ক", "গ", 0)]


def test_generation_stops_where_a_next_question_would_begin_unless_it_is_a_chat(tmp_path: Path):
    lines(tmp_path / "swh_Latn.jsonl", SWAHILI)
    plain = config(description=BELEBELE, answering="generation")
    assert asking_of(plain).stop == ("\n\n",)
    (questions,) = loaded(tmp_path, plain)
    assert asking_of(plain).prompts(questions, plain)[0] == OpenPrompt(
        "all/test/0",
        "",
        (),
        "Mji wa Orrin una madaraja tisa.\nSwali: Madaraja ni mangapi?\nA. Mawili\nB. Tisa\nC. Kumi\nD. Hakuna\nJibu:",
    )
    chat = config(description=BELEBELE, answering="generation", chat=True)
    assert asking_of(chat).stop == ()
    assert all(isinstance(one, OpenPrompt) and one.chat for one in asking_of(chat).prompts(questions, chat))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"question": "no column"}, r"question: names no \{column\}"),
        ({"question": "{question"}, "question: a single brace"),
        ({"prompt": "{question}\nJibu:"}, r"prompt: lacks \{options\}"),
        ({"prompt": "{options} {frage}"}, r"prompt: \{frage\} is none of its fields \(\{options\}, \{question\}\)"),
        ({"option_line": "{option}"}, r"option_line: lacks \{letter\}"),
        ({"header": "{subject}\n"}, r"header: \{subject\} is none of its fields \(no field\)"),
        ({"letters": ["A", "B", "C"]}, "letters: 3 for 4 options"),
        ({"letters": ["A", "B", "C", "A"]}, "letters: 'A', 'B', 'C', 'A' are not names that tell options apart"),
        ({"letters": ["A", "B", "C", " D"]}, "not names that tell options apart"),
        ({"options": ["a", "a"]}, "options: give two columns or more"),
        ({"options": ["a"]}, "options: give two columns or more"),
        ({"answer_letters": ["A"]}, 'answer_letters go with answer_is = "letter"'),
        ({"answer_is": "letter", "answer_letters": ["1", "2"]}, "answer_letters: 2, letters: 4"),
        ({"answer_separator": "："}, "answer_separator: '：' is more than white space"),
        ({"category": "c"}, "category goes with subject"),
        ({"revision": "v1"}, "revision goes with hub"),
        ({"files": {"test": []}}, "files.test: names no file"),
        ({"files": {"test": "/etc/x.csv"}}, "'/etc/x.csv' is not a name below the folder"),
        ({"files": {"test": "../x.csv"}}, "'../x.csv' is not a name below the folder"),
        ({"files": {"dev": "x.csv"}}, r"split: 'test' is not among description\.files \(dev\)"),
        ({"files": {"tests": "x.csv"}}, "files"),
        ({"files": "x.csv"}, "files"),
        ({"hub": "org/name"}, "give folder"),
        ({"hub": "name"}, "hub"),
        ({"answer_is": "word"}, "answer_is"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_description_that_cannot_be_meant_is_refused(change: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        config(description=BELEBELE | change)


def test_all_problems_of_a_description_are_told_at_once():
    with pytest.raises(ValueError, match=r"letters: 1 for 4.*category goes.*header: .*names no"):
        config(description=BELEBELE | {"letters": ["A"], "category": "c", "header": "{x}", "question": "?"})


def test_a_brace_that_is_written_twice_is_text(tmp_path: Path):
    lines(tmp_path / "swh_Latn.jsonl", SWAHILI[:1])
    (prompt, *_) = choices(tmp_path, config(description=BELEBELE | {"header": "{{x}}\n"}))
    assert text(prompt).startswith("{x}\nMji")


def test_a_benchmark_has_one_place():
    on_the_hub = {key: value for key, value in BELEBELE.items() if key != "files"} | {"hub": "org/name"}
    with pytest.raises(ValueError, match="files: missing; name what of the data set is asked"):
        BenchmarkConfig.model_validate_json(json.dumps({"split": "test", "description": on_the_hub}))
    asked = BenchmarkConfig.model_validate_json(
        json.dumps({"name": "x", "split": "test", "description": BELEBELE | {"hub": "org/name", "revision": "v1"}})
    )
    assert benchmark_of(asked).source == "https://huggingface.co/datasets/org/name"
    for written in ({"split": "test", "description": BELEBELE}, {"split": "test"}):
        with pytest.raises(ValueError, match="give folder"):
            BenchmarkConfig.model_validate_json(json.dumps(written))


def test_responses_can_be_graded_without_the_files(tmp_path: Path):
    lines(tmp_path / "swh_Latn.jsonl", SWAHILI)
    there = config(description=BELEBELE, answering="generation")
    away = there.model_copy(
        update={
            "folder": None,
            "description": there.description and there.description.model_copy(update={"hub": "a/b"}),
        }
    )
    for asked in (there, away):
        facts = benchmark_facts(benchmark_of(asked), asked, asking_of(asked), loaded(tmp_path, there))
        again = asked_config(json.loads(json.dumps(facts)))
        assert again == asked.model_copy(update={"folder": asked.folder and "-"})
        assert asking_of(again).stop == ("\n\n",)


def scores(model: Ruled, folder: Path, asked: BenchmarkConfig) -> list[float]:
    asking = asking_of(asked)
    answered = (one for batch in batches(loaded(folder, asked)) for one in answer(model, "mine", batch, asking, asked))
    return [grade(one, asking, GradesConfig()).score for one in answered]


def test_chance_is_what_guessing_earns_and_always_a_the_share_of_a(tmp_path: Path):
    sizes = [2 + number % 4 for number in range(3000)]
    rows = [
        {"question": f"{number}?", "choices": [str(option) for option in range(size)], "answer": number % size}
        for number, size in enumerate(sizes)
    ]
    lines(tmp_path / "rows.jsonl", rows)
    described = {key: value for key, value in INCLUDE.items() if key not in ("id", "letters")}
    described |= {"files": {"val": "rows.jsonl"}, "letters": list("ABCDE")}
    ways = [("letters", "official"), ("options", "official"), ("letters", "options"), ("options", "options-only")]
    for scored, protocol in ways:
        asked = config(split="val", description=described | {"scored": scored}, protocol=protocol)
        facts = benchmark_facts(benchmark_of(asked), asked, asking_of(asked), loaded(tmp_path, asked))
        chance = facts["scores"][0]["chance"]
        guessed = scores(Dice(), tmp_path, asked)
        assert len(guessed) == len(rows)
        assert sum(guessed) / len(guessed) == pytest.approx(chance, abs=3 * (chance * (1 - chance) / len(rows)) ** 0.5)
        firsts = sum(row["answer"] == 0 for row in rows) / len(rows)
        assert sum(scores(AlwaysA(), tmp_path, asked)) / len(rows) == pytest.approx(firsts)
