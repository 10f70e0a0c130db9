"""What the tests of verbs share: the command as users call it, a small checkpoint, a small data root."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from loanword.cli import main


class Answer(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Loanword = Callable[..., Answer]


@pytest.fixture
def loanword(capsys: pytest.CaptureFixture[str]) -> Loanword:
    """Calls a verb in this process."""

    def call(*words: object) -> Answer:
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root with a little of everything but benchmarks."""
    root = tmp_path / "data"
    (root / "text").mkdir(parents=True)
    (root / "parallel" / "flores200-devtest").mkdir(parents=True)
    (root / "instructions").mkdir()
    for language, sentence in {"en": "The rain falls on the hill.", "zh": "雨落在山上。"}.items():
        lines = [json.dumps({"text": f"{sentence} {number}"}, ensure_ascii=False) for number in range(400)]
        (root / "text" / f"{language}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        held_out = root / "parallel" / "flores200-devtest" / f"{language}.txt"
        held_out.write_text(f"{sentence}\n" * 3, encoding="utf-8")
    instructions = [{"instruction": f"Say {number}.", "input": "", "output": str(number)} for number in range(1_300)]
    lines = [json.dumps(instruction) for instruction in instructions]
    (root / "instructions" / "zh.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained LLaMA with a tokenizer and a chat template, in the Hub's layout."""
    from loanword.model.load import new_model, save_model
    from loanword.recipe import ArchitectureConfig
    from loanword.tokenizer.learn import learn
    from loanword.tokens.templates import ALPACA_TEMPLATE

    folder = tmp_path_factory.mktemp("models") / "small"
    tokenizer = learn(["Which letter is it, sooner or later?", "A. one B. two", "甲乙丙丁？é"] * 20, 300)
    shape = ArchitectureConfig(
        width=32, num_layers=1, num_heads=4, num_key_value_heads=2, feed_forward_width=48, context_tokens=512
    )
    model = new_model(shape, tokenizer.num_pieces, 3, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    save_model(model, folder)
    tokenizer.save(folder, ALPACA_TEMPLATE)
    return folder
