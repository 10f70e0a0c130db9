"""Whole statements and options by themselves: what is asked, what is given, what it earns, and that an engine can."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.answering import answer, batches
from loanword.evaluation.benchmark import LETTERS, Example, Subject, SubjectQuestions, letter_chance, single_mark
from loanword.evaluation.benchmarks import BENCHMARKS, USUAL, asking_of, benchmark_of, settled
from loanword.evaluation.check import check
from loanword.evaluation.facts import benchmark_facts
from loanword.evaluation.grading import grade
from loanword.evaluation.statements import Statements
from loanword.protocols import ChoicePrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import Grade
from tests.evaluation.models import Ruled

ORRIN = Subject("orrin", "Orrin", "")
STATEMENTS = Statements(cued=lambda subject, example: f"{example.passage}{subject.title}: {example.question}\nIt is ")
WHOLE, ALONE = (
    STATEMENTS.protocols(single_mark, letter_chance)[name]["likelihood"] for name in ("options", "options-only")
)
CONFIG = BenchmarkConfig(name="world", folder="world", protocol="options", answering="likelihood", num_shots=0)


def example(question: str, *options: str, answer: str = "A", passage: str = "", number: int = 0) -> Example:
    return Example(f"orrin/{number}", question, options or ("one", "two"), (answer,), passage=passage)


def questions(*examples: Example, shots: Sequence[Example] = ()) -> SubjectQuestions:
    return SubjectQuestions(ORRIN, tuple(shots), examples)


def asked(*examples: Example, shots: Sequence[Example] = ()) -> list[ChoicePrompt]:
    return STATEMENTS.whole(questions(*examples, shots=shots), CONFIG)


def graded(model: Ruled, of: SubjectQuestions, asking: Any = WHOLE) -> list[Grade]:
    (batch,) = batches([of])
    return [grade(one, asking, GradesConfig()) for one in answer(model, "world", batch, asking, CONFIG)]


# Prompts.


@pytest.mark.parametrize(
    ("question", "stem", "choices"),
    [
        ("The mill stands in ____.", "The mill stands in", (" one.", " two.")),
        (" The mill stands in  __ , or so.\n", "The mill stands in", ("  one , or so.", "  two , or so.")),
        ("The mill\n___________", "The mill", ("\none", "\ntwo")),
        ("磨坊在＿＿＿。", "磨坊在", ("one。", "two。")),
        ("磨坊在_＿。", "磨坊在", ("one。", "two。")),
        ("____ is older than the mill.", "", ("one is older than the mill.", "two is older than the mill.")),
        (" __ is older.", "", ("one is older.", "two is older.")),
        ("서울은 ____이다", "서울은", (" one이다", " two이다")),
    ],
)
def test_an_option_stands_in_the_one_blank_of_its_question(question: str, stem: str, choices: tuple[str, ...]):
    (prompt,) = asked(example(question))
    assert prompt == ChoicePrompt("orrin/0", header="", shots=(), question=stem, choices=choices)


@pytest.mark.parametrize("question", ["Which mill?", "One _ or x_1?", "From ____ to ____?", "____ __"])
def test_without_one_blank_an_option_follows_question_and_cue(question: str):
    (prompt,) = asked(example(question))
    assert prompt.question == f"Orrin: {question}\nIt is"
    assert prompt.choices == (" one", " two")


def test_a_passage_stands_before_question_and_statement():
    passage = "The mill stood idle.\n\n"
    blank, cued = asked(example("It was ____.", passage=passage), example("What was it?", passage=passage))
    assert (blank.question, blank.choices) == ("The mill stood idle.\nIt was", (" one.", " two."))
    assert cued.question == "The mill stood idle.\n\nOrrin: What was it?\nIt is"
    (first,) = asked(example("____ was idle.", passage=passage))
    assert (first.question, first.choices) == ("The mill stood idle.", ("\none was idle.", "\ntwo was idle."))


def test_spaces_around_an_option_are_not_part_of_it():
    blank, cued = asked(example("It was ____.", " one", "two\n"), example("What?", " one", "two\n"))
    assert (blank.choices, cued.choices) == ((" one.", " two."), (" one", " two"))


def test_shots_are_solved_statements():
    shots = [
        example("The bridge is ____!", "old", "new", answer="B"),
        example("What is the boat?", "red", "blue"),
        example("____ is far.", "Belk", "Orrin", answer="B"),
    ]
    (prompt,) = asked(example("It was ____."), shots=shots)
    assert prompt.shots == (
        "The bridge is new!\n\n",
        "Orrin: What is the boat?\nIt is red\n\n",
        "Orrin is far.\n\n",
    )
    assert prompt.header == ""


def test_options_alone_have_nothing_before_them_and_nothing_of_the_question_after_them():
    both = questions(example("The mill stands in ____.", " one", "two "), example("What?"))
    assert STATEMENTS.alone(both, CONFIG) == [
        ChoicePrompt("orrin/0", header="", shots=(), question="", choices=("one", "two")),
        ChoicePrompt("orrin/0", header="", shots=(), question="", choices=("one", "two")),
    ]


# What is given, and what it earns.


@dataclass
class Scripted(Ruled):
    """Gives the choices of every question the same nats."""

    script: tuple[float, ...] = ()

    def nats(self, prompt: ChoicePrompt) -> tuple[float, ...]:
        return self.script


def test_what_was_given_is_a_letter_also_of_two_options_that_are_equal():
    of = questions(example("It was ____.", "old", "new", "old", answer="C"))
    for script, given, outcome in (
        ((-2.0, -3.0, -1.0), "C", "correct"),
        ((-1.0, -3.0, -2.0), "A", "incorrect"),
        ((-1.0, -3.0, -1.0), "", "unparsed"),
        ((-2.0, -1.0, -2.0), "B", "incorrect"),
    ):
        for asking in (WHOLE, ALONE):
            (made,) = graded(Scripted(script=script), of, asking)
            assert (made.given, made.answer, made.outcome) == (given, "C", outcome)


@dataclass
class Knowing(Ruled):
    """Finds true statements likelier than any other text, and of others the shorter ones."""

    true: frozenset[str] = frozenset()

    def nats(self, prompt: ChoicePrompt) -> tuple[float, ...]:
        texts = [prompt.question + choice for choice in prompt.choices]
        return tuple(-1.0 if text in self.true else -2.0 - len(text) for text in texts)


@dataclass
class Fond(Ruled):
    """Likes choices by a rule of their own, whatever they follow."""

    liked: dict[str, float] = field(default_factory=dict[str, float])

    def nats(self, prompt: ChoicePrompt) -> tuple[float, ...]:
        return tuple(self.liked[choice.strip()] for choice in prompt.choices)


WORLD = questions(
    example("The mill stands in ____.", "Orrin", "Belk", answer="B", number=0),
    example("____ lies by the sea.", "Orrin", "Belk", answer="A", number=1),
    example("Where is the glass bridge?", "Belk", "Orrin", answer="B", number=2),
    example("The ferry leaves ____ at nine.", "Belk", "Orrin", answer="A", number=3),
)
TRUE = frozenset(
    {
        "The mill stands in Belk.",
        "Orrin lies by the sea.",
        "Orrin: Where is the glass bridge?\nIt is Orrin",
        "The ferry leaves Belk at nine.",
    }
)


def test_a_model_that_prefers_right_statements_scores_1_and_knows_nothing_of_options_alone():
    model = Knowing(true=TRUE)
    assert [one.score for one in graded(model, WORLD)] == [1, 1, 1, 1]
    # Of options alone it likes the shorter: Belk, which is right in the first and the last.
    assert [one.score for one in graded(model, WORLD, ALONE)] == [1, 0, 0, 1]


def test_a_model_that_looks_at_options_only_scores_what_they_give():
    fond = Fond(liked={"Orrin": -1.0, "Belk": -2.0})
    assert [one.score for one in graded(fond, WORLD, ALONE)] == [0, 1, 1, 0]
    assert [one.given for one in graded(fond, WORLD, ALONE)] == ["A", "A", "B", "B"]


# Options without a text.


def test_an_example_with_an_option_that_has_no_text_is_asked_and_earns_nothing():
    picture, twice, good = (
        example("Which curve?", "", " ", "up", "down", answer="C", number=0),
        example("Which letter?", "x", "y ", " y", "z", answer="B", number=1),
        example("Which mill?", "old", "new", "old", "red", answer="B", number=2),
    )
    before = SubjectQuestions(ORRIN, (), (picture, twice, good))
    (made,) = STATEMENTS.prepared([before], CONFIG)
    assert dict(made.malformed) == {
        "orrin/0": "without a text: option A, B",
        "orrin/1": "the right option stands twice",
    }
    assert [one.options for one in made.examples] == [(), ("x", "y ", " y", "z"), ("old", "new", "old", "red")]
    assert STATEMENTS.whole(made, CONFIG)[0].choices == (" A", " B", " C", " D")
    assert STATEMENTS.alone(made, CONFIG)[0].choices == LETTERS
    grades = graded(Scripted(script=(-2.0, -2.0, -1.0, -3.0)), made)
    assert [(one.given, one.score) for one in grades] == [("C", 0), ("C", 0), ("C", 0)]
    assert [WHOLE.chance(ORRIN, one) for one in made.examples] == [0, 0.25, 0.25]
    assert STATEMENTS.prepared([before], CONFIG.model_copy(update={"protocol": "official"})) == [before]


def test_a_label_that_cannot_be_right_says_more_than_its_options():
    before = SubjectQuestions(ORRIN, (), (example("Which?", "x", "x"),), {"orrin/0": "the label is empty"})
    (made,) = STATEMENTS.prepared([before], CONFIG)
    assert made.malformed == {"orrin/0": "the label is empty"}


# Settings.


@pytest.mark.parametrize("name", ["mmlu", "ceval", "agieval", "gaokao"])
@pytest.mark.parametrize("protocol", ["options", "options-only"])
def test_statements_are_asked_by_likelihood_without_shots_unless_a_study_says_otherwise(name: str, protocol: str):
    config = settled(BenchmarkConfig.model_validate({"name": name, "folder": name, "protocol": protocol}))
    assert (config.answering, config.num_shots, config.choice_ids) == ("likelihood", 0, "in-context")
    assert asking_of(config).headline == ""
    with pytest.raises(UserError, match=f"the {protocol} protocol of .* is not answered by generation"):
        settled(config.model_copy(update={"answering": "generation"}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"protocol": "options", "choice_ids": "isolated"},
            r"(?s)benchmarks\.mmlu\.choice_ids - isolated is the first id of a choice, and the options protocol"
            r" compares whole texts.*in-context.*protocol official",
        ),
        ({"protocol": "options-only", "choice_ids": "isolated"}, "the options-only protocol compares whole texts"),
        (
            {"protocol": "options-only", "num_shots": 2},
            r"(?s)benchmarks\.mmlu\.num_shots - 2 shots, but nothing stands before the options.*num_shots 0.*options",
        ),
    ],
)
def test_settings_that_statements_contradict_are_refused(settings: dict[str, object], said: str):
    with pytest.raises(UserError, match=said):
        settled(BenchmarkConfig.model_validate({"name": "mmlu", "folder": "mmlu"} | settings))


def test_questions_without_options_make_no_statements():
    with pytest.raises(UserError, match=r"TriviaQA has no protocol 'options'\n  expected: one of official, harness"):
        settled(BenchmarkConfig(name="triviaqa", folder="triviaqa", protocol="options"))


# The engines.


def byte_level() -> Any:
    from loanword.tokenizer.tokenizer_json import JsonTokenizer, byte_level_json, piece_bytes

    pieces = [chr(code) for code in range(0x21, 0x144) if len(piece_bytes(chr(code))) == 1]
    vocab = {piece: id for id, piece in enumerate(pieces)} | {"ĠO": len(pieces), "<|endoftext|>": len(pieces) + 1}
    return JsonTokenizer(byte_level_json(vocab, [("Ġ", "O")]), {}, eos_id=len(pieces) + 1)


def sentence_pieces() -> Any:
    from loanword.tokenizer.learn import learn

    return learn(
        ["The mill stands in Belk.", "Orrin lies by the sea.", "Where is the glass bridge? It is Orrin"] * 20, 340
    )


@pytest.mark.parametrize("made", [sentence_pieces, byte_level])
@pytest.mark.parametrize("protocol", ["options", "options-only"])
def test_a_checkpoint_orders_options_as_whole_texts_also_after_nothing_but_bos(made: Any, protocol: str):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from loanword.model.score import LocalModel

    tokenizer = made()
    torch.manual_seed(1)
    shape = AutoConfig.for_model(
        "llama",
        vocab_size=tokenizer.num_pieces,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
    )
    network = AutoModelForCausalLM.from_config(shape, dtype=torch.float32).eval()
    for parameter in network.parameters():
        parameter.data.mul_(8 if parameter.dim() > 1 else 1)
    model, config = LocalModel(network, tokenizer), CONFIG.model_copy(update={"protocol": protocol})
    asking = STATEMENTS.protocols(single_mark, letter_chance)[protocol]["likelihood"]
    prompts = [prompt for prompt in asking.prompts(WORLD, config) if isinstance(prompt, ChoicePrompt)]
    assert "" in {prompt.question for prompt in prompts}
    for prompt, scored in zip(prompts, model.choose(prompts), strict=True):
        texts = [prompt.question + choice for choice in prompt.choices]
        whole = [-one.nats for one in model.likelihoods(texts, window_tokens=256, stride_tokens=128)]
        first, second = scored.log_likelihoods_nats
        assert all(scored.choice_ids)
        assert first - second == pytest.approx(whole[0] - whole[1], abs=1e-3)
    (equal,) = model.choose([ChoicePrompt("orrin/4", "", (), "Orrin or", (" Belk.", " Orrin.", " Belk."))])
    assert equal.log_likelihoods_nats[0] == equal.log_likelihoods_nats[2], "what is written alike ties exactly"
    recorded = answer(model, "world", WORLD, asking, config)
    checked = check(model, [WORLD], asking, config, recorded)
    assert checked is not None
    assert checked.num_examples == 4


@pytest.mark.parametrize("kind", ["vllm", "other"])
def test_a_server_scores_options_of_one_token_and_says_so_of_others(kind: str):
    from tests.model.serving import ToyServer, open_toy

    short = questions(example("____", "A", "B"), example("The mill is ____", "A", "B", number=1))
    with ToyServer(kind) as server:
        for asking in (WHOLE, ALONE):
            scored = answer(open_toy(server), "world", short, asking, CONFIG)
            assert [len(one.scores[0].log_likelihoods_nats) for one in scored] == [2, 2]
        with pytest.raises(UserError, match=r"(?s)the choice '(Orrin|Belk)' is .*choices of one token"):
            answer(open_toy(server), "world", WORLD, ALONE, CONFIG)


# The published sets.


@pytest.mark.parametrize(
    ("name", "num_examples", "malformed"),
    [
        ("mmlu", 14042, {"the right option stands twice": 4}),
        ("ceval", 1346, {"the right option stands twice": 2}),
        (
            "agieval",
            6945,
            {"the right option stands twice": 5, "without a text: option D": 2, "the label is empty": 1, "label": 8},
        ),
        ("gaokao", 1418, {"without a text: option A, B, C, D": 4, "without a text: option D": 1}),
    ],
)
def test_the_published_questions_make_statements(
    shared_data: Path, name: str, num_examples: int, malformed: dict[str, int]
):
    usual, made = USUAL[name], {}
    for protocol in ("options", "options-only"):
        written = {"name": name, "folder": usual.folder, "split": usual.split, "protocol": protocol}
        config = settled(BenchmarkConfig.model_validate(written))
        loaded = benchmark_of(config).load(shared_data / usual.folder, config)
        made[protocol] = [prompt for one in loaded for prompt in asking_of(config).prompts(one, config)]
        found = Counter(
            "label" if what.startswith("the label ") and what != "the label is empty" else what
            for one in loaded
            for what in one.malformed.values()
        )
        assert found == malformed
    assert len(made["options"]) == len(made["options-only"]) == num_examples
    for prompt, alone in zip(made["options"], made["options-only"], strict=True):
        assert all(text.strip() for text in alone.choices)
        assert all(text in whole for text, whole in zip(alone.choices, prompt.choices, strict=True)), prompt.id
        assert prompt.question == prompt.question.rstrip()


def test_the_language_of_a_translated_set_is_the_one_that_its_facts_name():
    for settings, language in (({}, "en"), ({"language": "id"}, "id")):
        config = settled(BenchmarkConfig.model_validate({"name": "mmlu", "folder": "mmlu"} | settings))
        assert benchmark_facts(BENCHMARKS["mmlu"], config, asking_of(config), [])["language"] == language
    with pytest.raises(ValueError, match="language"):
        BenchmarkConfig(name="mmlu", folder="mmlu", language="Bahasa Indonesia")
