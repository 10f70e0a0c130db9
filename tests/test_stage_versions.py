"""What a stage makes of a fixed input does not change unless its version does.

The digests below are of stages whose output is the same on every machine; trained weights are not, and their stages
are held to bit-exact resuming by `make test-kill` instead. When a digest changes and should have: raise the stage's
`version` in stages.py and write down the new digest with it. When it should not have: that is the bug.
"""

import hashlib
import json
from pathlib import Path

import pytest

from loanword import stages
from loanword.evaluation.benchmarks import settled
from loanword.protocols import Work
from loanword.recipe import (
    BenchmarkConfig,
    ConversationsConfig,
    CorpusConfig,
    DescriptionConfig,
    ExtendedTokenizerConfig,
    GradesConfig,
    InstructionsConfig,
    LearnedTokenizerConfig,
    MeasuredOverlapConfig,
    OverlapConfig,
    TokensConfig,
)
from loanword.records import ChoiceScore, Execution, Response, canonical_json, write_json, write_lines
from loanword.store.artifacts import payload_digests

QUESTIONS = DescriptionConfig(
    language="zh", files={"test": ("asked.csv",)}, question="{question}", options=("A", "B"), answer="answer"
)
GOLDEN = Path(__file__).parent / "golden" / "stage_digests.json"
ENGLISH = ("The lamp by the window", "a boat under the bridge", "seven letters from the north", "the old mill")
CHINESE = ("窗边的灯", "桥下的船", "七封来自北方的信", "旧磨坊")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The artifacts of every reproducible stage, built one from the other."""
    root = tmp_path_factory.mktemp("stages")
    _sources(root)

    def build(name: str, config: object, **inputs: str) -> None:
        out = root / name
        out.mkdir()
        work = Work({role: root / folder for role, folder in inputs.items()}, out, 3, Execution(data=str(root)))
        stages.STAGES[name.partition(".")[0]].run(config, work)

    build("corpus.en", CorpusConfig(language="en", files=("en.jsonl",), held_out_documents=9))
    build("corpus.zh", CorpusConfig(language="zh", files=("zh.jsonl",), held_out_documents=9))
    build("tokenizer.learned", LearnedTokenizerConfig(num_pieces=320), corpus="corpus.en")
    extension = ExtendedTokenizerConfig(num_new_pieces=12)
    build("tokenizer.extended", extension, corpus="corpus.zh", gate="corpus.en", base="tokenizer.learned")
    build("tokens", TokensConfig(), corpus="corpus.zh", tokenizer="tokenizer.extended")
    build("instructions", InstructionsConfig(language="zh", files=("instructions.jsonl",)))
    chosen = ConversationsConfig(num_conversations=20, row_tokens=512)
    build("conversations", chosen, tokenizer="tokenizer.extended", instructions="instructions")
    build("grades", GradesConfig(), responses="responses")
    questions = BenchmarkConfig(name="mine", folder="questions", split="test", description=QUESTIONS)
    build("overlap", MeasuredOverlapConfig(benchmark=questions, overlap=OverlapConfig()), text="corpus.zh")
    return {name: root / name for name in _digests()}


@pytest.mark.parametrize("name", json.loads(GOLDEN.read_text(encoding="utf-8")))
def test_a_stage_makes_what_its_version_made(made: dict[str, Path], name: str) -> None:
    digests = payload_digests(made[name])
    digests = {path: digest for path, digest in digests.items() if not path.startswith(".scratch")}
    content = hashlib.sha256(canonical_json(digests).encode()).hexdigest()[:20]
    version = stages.STAGES[name.partition(".")[0]].version
    assert [version, content] == _digests()[name], f"{name} at version {version} now makes {content}"


def _digests() -> dict[str, list[object]]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def _sources(root: Path) -> None:
    for language, phrases in (("en", ENGLISH), ("zh", CHINESE)):
        texts = [f"{phrases[number % 4]} {number}, {phrases[(number * 7) % 3]}." for number in range(200)]
        lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        (root / f"{language}.jsonl").write_text(lines, encoding="utf-8")
    asked = [
        {"id": str(number), "instruction": f"写出 {CHINESE[number % 4]} {number}", "input": "", "output": f"{number}。"}
        for number in range(40)
    ]
    (root / "instructions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in asked), encoding="utf-8")
    (root / "questions").mkdir()
    asked_of = [f"{CHINESE[number]} 17; {CHINESE[2]}. {CHINESE[1]} 9,是,否,A" for number in range(4)]
    (root / "questions/asked.csv").write_text("\n".join(["question,A,B,answer", *asked_of]) + "\n", encoding="utf-8")
    (root / "responses").mkdir()
    responses = (
        Response(
            id=str(number),
            benchmark="ceval",
            subject="logic",
            num_shots=5,
            answers=("ABCD"[number % 4],),
            scores=(
                ChoiceScore(
                    choices=("A", "B", "C", "D"),
                    log_likelihoods_nats=(-1.0, -2.0 + number % 3, -3.0, -4.0),
                    choice_ids=((1,), (2,), (3,), (4,)),
                ),
            ),
            ended="scored",
        )
        for number in range(12)
    )
    write_lines(responses, root / "responses" / "responses.jsonl")
    asked = settled(BenchmarkConfig(name="ceval", folder="ceval"))
    facts = {"name": "ceval", "config": asked.model_dump(mode="json", exclude={"folder"})}
    write_json(facts, root / "responses" / "benchmark.json")
