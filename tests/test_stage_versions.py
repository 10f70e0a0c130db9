"""What a stage makes of a fixed input does not change unless its version does.

The digests below are of stages whose output is the same on every machine; trained weights are not, and their stages
are held to bit-exact resuming by `make test-kill` instead. When a digest changes and should have: raise the stage's
`version` in stages.py and write down the new digest with it. When it should not have: that is the bug.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from loanword import stages
from loanword.evaluation.alignment import aligned
from loanword.evaluation.benchmarks import settled
from loanword.protocols import Progress, Work, silent
from loanword.recipe import (
    AlignmentConfig,
    BenchmarkConfig,
    ConversationsConfig,
    CorpusConfig,
    DescriptionConfig,
    ExtendedTokenizerConfig,
    GradesConfig,
    InstructionsConfig,
    JudgementsConfig,
    LearnedTokenizerConfig,
    MeasuredOverlapConfig,
    MeasuredSwitchingConfig,
    OverlapConfig,
    RatingsConfig,
    SwitchingConfig,
    TokensConfig,
)
from loanword.records import (
    Checks,
    ChoiceScore,
    Execution,
    OpenQuestion,
    Properties,
    Response,
    canonical_json,
    write_json,
    write_lines,
)
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
    build("judgements", JudgementsConfig(kind="rules", rubric="rules"), responses="answered")
    build("ratings", RatingsConfig(), responses="answered", judgements="judgements")
    looked_for = SwitchingConfig(languages=("en",))
    build("switching", MeasuredSwitchingConfig(language="zh", switching=looked_for), responses="answered")
    _align(root / "alignment")
    return {name: root / name for name in _digests()}


@pytest.mark.parametrize("name", json.loads(GOLDEN.read_text(encoding="utf-8")))
def test_a_stage_makes_what_its_version_made(made: dict[str, Path], name: str) -> None:
    digests = payload_digests(made[name])
    digests = {path: digest for path, digest in digests.items() if not path.startswith(".scratch")}
    content = hashlib.sha256(canonical_json(digests).encode()).hexdigest()[:20]
    version = stages.STAGES[name.partition(".")[0]].version
    assert [version, content] == _digests()[name], f"{name} at version {version} now makes {content}"


class Encoder:
    """Four layers of vectors, each of four equal parts of 16: products of them are exact whoever adds them up."""

    def vectors(self, texts: Sequence[str], pooling: str, progress: Progress = silent) -> NDArray[np.float32]:
        made = np.zeros((4, len(texts), 16), dtype=np.float32)
        for place, text in enumerate(texts):
            for layer, most in enumerate((3, 9, 12, 16)):
                # The number that a sentence ends in is its meaning; deeper layers know more of it.
                known = int(text.split()[-1]) % most
                made[layer, place, [(known + step) % 16 for step in (0, 1, 5, 11)]] = 1.0
        return made

    def num_cut(self, texts: Sequence[str]) -> int:
        return sum(len(text) > 24 for text in texts)


def _align(out: Path) -> None:
    """What the stage writes, without the model that it asks for vectors."""
    out.mkdir()
    texts = {"en": [f"{ENGLISH[n % 4]} {n}" for n in range(16)], "zh": [f"{CHINESE[n % 4]} {n}" for n in range(16)]}
    config = AlignmentConfig(texts={"en": "en.txt", "zh": "zh.txt"})
    write_lines(aligned(Encoder(), texts, config), out / "alignment.jsonl")


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
    _answer(root / "answered")


def _answer(folder: Path) -> None:
    """Responses to open questions, of which rules say something and some leave Chinese."""
    folder.mkdir()
    checks = Checks(accepted=("窗边",), refused=("桥下",), properties=Properties(min_sentences=2, mentions=("灯",)))
    asked = OpenQuestion(turns=("灯在哪里？",), references=("灯在窗边，船在桥下。",), checks=checks)
    said = (
        "灯在窗边。很亮。",
        "灯在桥下。",
        "The lamp stands beside the old window of the mill.",
        "我觉得 lamp 在窗边，because 那里很亮。",
        "我不知道。",
        "",
    )
    facts = {"benchmark": "open", "subject": "places", "num_shots": 0, "answers": (), "ended": "stopped"}
    answered = [Response(id=str(n), asked=asked, texts=(text,), **facts) for n, text in enumerate(said)]
    write_lines(answered, folder / "responses.jsonl")
    write_json({"name": "llmeval", "language": "zh"}, folder / "benchmark.json")
