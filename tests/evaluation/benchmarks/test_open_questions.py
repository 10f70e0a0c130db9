"""What all open benchmarks share: how they are asked, turn by turn, and that they are left to a judge."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.answering import answer, answer_all, decoding
from loanword.evaluation.benchmark import Example, Subject, SubjectQuestions
from loanword.evaluation.benchmarks import BENCHMARKS, USUAL, asked_config, asking_of, openness, settled
from loanword.evaluation.benchmarks.open_questions import next_turn, open_asking
from loanword.evaluation.facts import benchmark_facts
from loanword.evaluation.grading import grade
from loanword.protocols import Generated, OpenPrompt, Progress, silent
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import Decoding, OpenQuestion, Response
from tests.evaluation.models import Ruled

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "open_questions.json").read_text(encoding="utf-8")
)
OPEN = ("llmeval", "belle", "mt_bench")


def config(name: str, **settings: object) -> BenchmarkConfig:
    return settled(BenchmarkConfig.model_validate({"name": name, "folder": USUAL[name].folder} | settings))


def load(name: str, path: Path, **settings: object) -> list[SubjectQuestions]:
    return BENCHMARKS[name].load(path, config(name, **settings))


def said_to(prompts: Sequence[OpenPrompt], said: str) -> list[OpenPrompt]:
    """Prompts, and those of all later turns where the model says the same thing every time."""
    made: list[OpenPrompt] = []
    for prompt in prompts:
        turn: OpenPrompt | None = prompt
        while turn is not None:
            made.append(turn)
            turn = next_turn(turn, said)
    return made


# Prompts


@pytest.mark.parametrize("name", OPEN)
def test_prompts_of_our_own_questions_are_golden(name: str, tmp_path: Path):
    golden = GOLDEN[name]
    for file, lines in golden["files"].items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (tmp_path / file).write_text(text, encoding="utf-8")
    subjects = tuple(golden["subjects"])
    for form in ("chat", "plain"):
        how = config(name, chat=form == "chat", subjects=subjects)
        prompts = [
            prompt
            for questions in BENCHMARKS[name].load(tmp_path, how)
            for prompt in asking_of(how).prompts(questions, how)
            if isinstance(prompt, OpenPrompt)
        ]
        made = [[one.id, [list(pair) for pair in one.history], one.question] for one in said_to(prompts, " Said.\n")]
        assert made == golden[form]
        assert {(one.header, one.shots, one.system) for one in prompts} == {("", (), "")}


@pytest.mark.parametrize("name", ["belle", "mt_bench"])
def test_prompts_of_the_published_questions_stay_as_they_are(name: str, shared_data: Path):
    for form in ("chat", "plain"):
        how = config(name, chat=form == "chat")
        loaded = BENCHMARKS[name].load(shared_data / USUAL[name].folder, how)
        prompts = [prompt for questions in loaded for prompt in asking_of(how).prompts(questions, how)]
        texts = [text for one in prompts if isinstance(one, OpenPrompt) for text in (one.id, one.question, *one.later)]
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        assert {"num_prompts": len(prompts), "sha256": digest} == GOLDEN[name]["published"][form]


# Turns


@dataclass
class Talks(Ruled):
    """Says where it stands in a conversation; what it cannot read is too long."""

    heard: list[OpenPrompt] = field(default_factory=list[OpenPrompt])
    unreadable: str = "never asked"

    def generate(
        self, prompts: Sequence[OpenPrompt], decoding: Decoding, progress: Progress = silent
    ) -> list[Generated]:
        self.heard += prompts
        self.decoded.append(decoding)
        return [
            Generated("", 0, 0, "too long")
            if self.unreadable in prompt.question
            else Generated(f" to {prompt.id}, {len(prompt.history) + 1}\n", 0, 5, "stopped")
            for prompt in prompts
        ]


def conversations(*turns: tuple[str, ...]) -> SubjectQuestions:
    asked = tuple(
        Example(str(number), said[0], (), (), asked=OpenQuestion(turns=said, references=("so",) * len(said)))
        for number, said in enumerate(turns)
    )
    return SubjectQuestions(Subject("talk", "talk", ""), (), asked)


CHAT = BenchmarkConfig(name="mt_bench", folder="-", answering="generation", chat=True)


def test_every_turn_follows_on_the_models_own_answers():
    model = Talks()
    first, second = answer(model, "b", conversations(("a", "b", "c"), ("d",)), open_asking(7), CHAT)
    assert first.texts == (" to 0, 1\n", " to 0, 2\n", " to 0, 3\n")
    assert (second.texts, second.num_new_tokens, first.num_new_tokens) == ((" to 1, 1\n",), 5, 15)
    assert [(one.id, one.question, one.later) for one in model.heard] == [
        ("0", "a", ("b", "c")), ("1", "d", ()), ("0", "b", ("c",)), ("0", "c", ()),
    ]  # fmt: skip
    assert model.heard[-1].history == (("a", "to 0, 1"), ("b", "to 0, 2"))
    assert [one.max_new_tokens for one in model.decoded] == [7, 7, 7]


def test_a_response_keeps_what_a_judge_reads():
    questions = conversations(("a", "b"))
    (response,) = answer(Talks(), "b", questions, open_asking(7), CHAT)
    assert response.asked == OpenQuestion(turns=("a", "b"), references=("so", "so"))
    assert (response.answers, len(response.texts)) == ((), 2)
    assert Response.from_json(response.to_json(), where="here") == response


@pytest.mark.parametrize(("unreadable", "texts"), [("a", ()), ("b", (" to 0, 1\n",))])
def test_a_conversation_ends_where_a_turn_does_not_fit(unreadable: str, texts: tuple[str, ...]):
    model = Talks(unreadable=unreadable)
    (response,) = answer(model, "b", conversations(("a", "b", "c")), open_asking(7), CHAT)
    assert (response.texts, response.ended) == (texts, "too long")
    assert not any(prompt.question == "c" for prompt in model.heard)


def test_a_stopped_run_goes_on_with_the_next_batch(tmp_path: Path):
    asked = [conversations(("a", "b")), conversations(("c", "d"))]
    asked[1] = replace(asked[1], examples=(replace(asked[1].examples[0], id="1"),))
    whole = answer_all(Talks(), asked, open_asking(7), CHAT, tmp_path)
    (tmp_path / "000001.jsonl").unlink()
    model = Talks()
    assert answer_all(model, asked, open_asking(7), CHAT, tmp_path) == whole
    assert [prompt.id for prompt in model.heard] == ["1", "1"]


# Decoding and facts


def test_only_a_plain_response_ends_before_a_blank_line():
    for name in OPEN:
        assert decoding(asking_of(config(name)), config(name)).stop == ("\n\n",)
        assert decoding(asking_of(config(name)), config(name, chat=True)).stop == ()


def test_facts_say_how_responses_were_decoded(tmp_path: Path):
    questions = conversations(("a",))
    drawn = {"temperature": 0.7, "top_p": 0.9, "seed": 3}
    how = config("llmeval", decoding=drawn)
    facts = benchmark_facts(BENCHMARKS["llmeval"], how, asking_of(how), [questions])
    whole = {"max_new_tokens": 512, "stop": ["\n\n"], "kept_tokens": 0, **drawn}
    assert facts["decoding"] == whole
    assert (facts["scores"], facts["language"]) == ([], "zh")
    assert facts["subjects"]["talk"]["num_unlabelled"] == 1
    assert asked_config(json.loads(json.dumps(facts))) == how.model_copy(update={"folder": "-"})
    scored = config("mmlu")
    assert benchmark_facts(BENCHMARKS["mmlu"], scored, asking_of(scored), [])["decoding"] is None


def test_a_grade_of_an_open_question_gives_and_earns_nothing():
    for name in OPEN:
        (response,) = answer(Talks(), name, conversations(("a",)), asking_of(config(name)), CHAT)
        for extraction in ("official", "robust"):
            given = grade(response, asking_of(config(name)), GradesConfig(extraction=extraction))
            assert (given.outcome, given.given, given.score) == ("unparsed", "", 0)


def test_open_benchmarks_are_those_that_only_a_judge_can_mark():
    named = {name: openness(config(name)) for name in BENCHMARKS}
    assert named == {name: "all" if name in OPEN else "none" for name in BENCHMARKS}
    # What is open is asked without labels, and has no score to report without a judge.
    assert all(not BENCHMARKS[name].scores(list(BENCHMARKS[name].subjects.values())) for name in OPEN)


@pytest.mark.parametrize("name", OPEN)
def test_what_open_questions_cannot_be_asked_by_is_said_before_they_are_read(name: str):
    with pytest.raises(UserError, match=rf"benchmarks\.{name}\.num_shots - open questions have no solved examples"):
        config(name, num_shots=2)
    with pytest.raises(UserError, match="is not answered by likelihood"):
        config(name, answering="likelihood")


# Files

ROW: dict[str, dict[str, Any]] = {
    "llmeval": {"question_uuid": "Code_1", "category": "Code", "question": "q"},
    "belle": {"question": "q", "class": "code", "std_answer": "a"},
    "mt_bench": {"question_id": 1, "category": "coding", "turns": ["q"]},
}
FILES = {"llmeval": "zh.jsonl", "belle": "belle_eval.json", "mt_bench": "question.jsonl"}
CODE = {"llmeval": ("Code",), "belle": ("code",), "mt_bench": ("coding",)}
Written = Callable[[str, list[dict[str, Any]]], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes the file of questions of a benchmark, and gives its folder."""

    def write(name: str, rows: list[dict[str, Any]]) -> Path:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / FILES[name]).write_text(text, encoding="utf-8")
        answered = {"question_id": 1, "choices": [{"turns": ["a"]}]}
        (tmp_path / "reference_gpt4.jsonl").write_text(json.dumps(answered), encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("name", OPEN)
def test_a_category_that_nothing_is_asked_of_is_missing(name: str, written: Written):
    folder = written(name, [ROW[name]])
    (questions,) = load(name, folder, subjects=CODE[name])
    assert [example.question for example in questions.examples] == ["q"]
    with pytest.raises(UserError, match=r"1 of \d+ categories found, missing: (?!.*\bcod)"):
        load(name, folder)


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"category": "Cooking", "class": "Cooking"}, "category 'Cooking'"),
        ({"question": " ", "turns": [" "]}, "should match pattern"),
        ({"question": None, "turns": []}, "question: input|turns: tuple should have"),
    ],
)
def test_lines_that_are_wrong_are_named(name: str, fields: dict[str, Any], what: str, written: Written):
    wrong = ROW[name] | {key: value for key, value in fields.items() if key in ROW[name]}
    folder = written(name, [ROW[name] | {"question_uuid": "Code_0", "question_id": 0}, wrong])
    with pytest.raises(UserError, match=rf"{FILES[name]}:2 - .*({what})"):
        load(name, folder, subjects=CODE[name])


@pytest.mark.parametrize("name", ["llmeval", "mt_bench"])
def test_an_id_that_stands_twice_is_named_with_both_places(name: str, written: Written):
    with pytest.raises(UserError, match=rf"{FILES[name]}:2 - id '.*1' stands at .*{FILES[name]}:1 already"):
        load(name, written(name, [ROW[name], ROW[name]]), subjects=CODE[name])


@pytest.mark.parametrize("name", OPEN)
def test_limit_counts_the_questions_of_a_category(name: str, written: Written):
    rows = [ROW[name] | {"question_uuid": f"Code_{number}", "question_id": number} for number in (1, 2, 3)]
    (questions,) = load(name, written(name, rows), subjects=CODE[name], limit_examples=2)
    assert len(questions.examples) == 2


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize(
    ("content", "what"),
    [(b"", "is empty"), (b"{", r"1 - .*EOF"), (b"[{", "not JSON"), (b'["\\ud800"]', "item 1 - "), (b"\xff", r":1 - ")],
)
def test_files_that_cannot_be_read_are_named(name: str, content: bytes, what: str, written: Written):
    folder = written(name, [ROW[name]])
    (folder / FILES[name]).write_bytes(content)
    with pytest.raises(UserError, match=rf"{FILES[name]}.*{what}"):
        load(name, folder, subjects=CODE[name])


@pytest.mark.parametrize("name", OPEN)
def test_a_list_with_a_byte_order_mark_is_read_as_lines_are(name: str, written: Written):
    folder = written(name, [ROW[name]])
    lines = load(name, folder, subjects=CODE[name])
    whole = json.dumps([ROW[name]], indent=1).encode("utf-8-sig")
    (folder / FILES[name]).write_bytes(whole)
    assert load(name, folder, subjects=CODE[name]) == lines
