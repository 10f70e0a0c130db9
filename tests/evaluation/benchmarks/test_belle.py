"""BELLE's evaluation set, as it is published."""

import json
from collections import Counter
from pathlib import Path

from loanword.evaluation.benchmarks.belle import BELLE, SUBJECTS
from loanword.recipe import BenchmarkConfig
from loanword.records import OpenQuestion

CONFIG = BenchmarkConfig(name="belle", folder="benchmarks/belle_eval.json")


def test_the_published_file_holds_1000_questions_of_which_369_have_no_reference(shared_data: Path):
    path = shared_data / "benchmarks/belle_eval.json"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    loaded = BELLE.load(path, CONFIG)
    assert [questions.subject.name for questions in loaded] == list(SUBJECTS)
    examples = [example for questions in loaded for example in questions.examples]
    assert len({example.id for example in examples}) == 1000
    kept = Counter((one.asked.turns, one.asked.references) for one in examples if one.asked is not None)
    assert kept == Counter(((row["question"],), (row["std_answer"],) if row["std_answer"] else ()) for row in rows)
    assert sum(count for (_, references), count in kept.items() if not references) == 369


def test_ids_are_the_class_and_the_number_there(tmp_path: Path):
    rows = [("a", "math", "1"), ("b", "closed\xa0qa", ""), ("c", "math", " "), ("d", "closed qa", "2")]
    text = "".join(json.dumps({"question": q, "class": c, "std_answer": a}) + "\n" for q, c, a in rows)
    (tmp_path / "belle_eval.json").write_text(text, encoding="utf-8")
    loaded = BELLE.load(tmp_path, CONFIG.model_copy(update={"subjects": ("math", "closed qa")}))
    assert {example.id: example.asked for questions in loaded for example in questions.examples} == {
        "math/0": OpenQuestion(turns=("a",), references=("1",)),
        "math/1": OpenQuestion(turns=("c",)),
        "closed qa/0": OpenQuestion(turns=("b",)),
        "closed qa/1": OpenQuestion(turns=("d",), references=("2",)),
    }
