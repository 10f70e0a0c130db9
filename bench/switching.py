"""Where text leaves its language: how often that is seen, how often it is seen where it is not, and how fast.

The ratio is the least of what was reached to its goal: megabytes of text a CPU second on one core, for the slowest
language, of all that is done with a response; precision and recall on the half of the hand-made examples that nothing
was set on (even lines), for what is in other letters and for English within languages in Latin letters; FLORES
sentences found to switch, of all and of the half that nothing was set on. Figures on mixed text, on the second set of
examples (fresh) and for English with five languages have no goal.

In: tests/evaluation/switching/{examples,fresh}; parallel/flores200-devtest and text below the folder that
LOANWORD_TEST_DATA names, or ../shared/data.
"""

import gzip
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench._mixed import PIECES, mixed
from bench._rates import SwitchingExample, error_rates
from loanword.evaluation.switching.detect import Finder, detector, finder
from loanword.evaluation.switching.exempt import words_asked
from loanword.recipe import MeasuredSwitchingConfig, SwitchingConfig
from loanword.records import Response, read_lines
from loanword.writing import writing

EXAMPLES = Path(__file__).parents[1] / "tests" / "evaluation" / "switching" / "examples"
FRESH = EXAMPLES.with_name("fresh")
LANGUAGES = ("zh", "ar", "bn", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi", "en")
LATIN = ("id", "sw", "vi", "en")
PAIRS = ("script", "English", "same script")
SPEED_GOAL = 0.5
MIN_RATE, MIN_LATIN_RATE = 0.95, 0.85
MAX_FALSE, MAX_LATIN_FALSE = 0.01, 0.03
RATES = (0.05, 0.1, 0.25, 0.5)
WITHIN = {"hi": ("mr", "ne"), "mr": ("hi", "ne"), "ne": ("hi", "mr"), "ar": ("ur",), "ur": ("ar",)}
WITHIN_ENGLISH = ("id", "sw", "vi", "es", "fr")
_NOTHING = frozenset[str]()
_WARMING = "however mais la porte est ouverte, तथापि हम आज भी यहाँ हैं, ومع ذلك نحن هنا اليوم, 但是 qwzx 但是"


def run(quick: bool) -> dict[str, Any]:
    """Error rates by language against their goals, and the speed over all of them."""
    data = Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    if not (data / "parallel" / "flores200-devtest").is_dir():
        return {"skipped": f"no {data.name}/parallel/flores200-devtest: LOANWORD_TEST_DATA names the folder"}
    sentences = {each: _sentences(data, each, 100 if quick else 1012) for each in LANGUAGES}
    rows: list[dict[str, Any]] = []
    ratios: list[float] = []
    for language in LANGUAGES:
        config = MeasuredSwitchingConfig(language=language, switching=SwitchingConfig(languages=("en",)))
        speed = _speed(config, _texts(data, language, 20_000 if quick else 1_000_000))
        row, reached = _row(finder(config), language, sentences)
        rows.append({"language": language, "MB/s": speed, **row})
        ratios += [speed / SPEED_GOAL, *reached]
    for language, others in WITHIN.items():
        find = finder(MeasuredSwitchingConfig(language=language, switching=SwitchingConfig(languages=("en",))))
        for other in others:
            rows.append({"language": f"{other} in {language}", **_recalls(find, language, other, sentences)})
    rows.append({"language": f"en, {' '.join(WITHIN_ENGLISH)} looked for", **_english(sentences["en"])})
    return {"name": "switching", "ratio": min(ratios), "goal": 1.0, "rows": rows}


def _row(find: Finder, language: str, sentences: dict[str, list[str]]) -> tuple[dict[str, Any], list[float]]:
    latin = language in LATIN
    examples = list(read_lines(SwitchingExample, EXAMPLES / f"{language}.jsonl"))[1::2]
    rates = error_rates(find, examples)
    false, false_unseen = _false(find, sentences[language])
    row: dict[str, Any] = {
        "examples": len(examples),
        "precision": rates.precision,
        "recall": rates.recall,
        "pieces": rates.num_pieces_found / rates.num_pieces,
        "FLORES false": false,
        "second half": false_unseen,
    }
    ratios = [(MAX_LATIN_FALSE if latin else MAX_FALSE) / max(false, false_unseen, 1e-6)]
    for pair in PAIRS:
        precision, recall = _of_pair(find, language, examples, pair)
        row |= {f"precision, {pair}": precision, f"recall, {pair}": recall}
        goal = MIN_RATE if pair == "script" else MIN_LATIN_RATE if pair == "English" and language != "en" else None
        if goal:
            ratios += [rate / goal for rate in (precision, recall) if rate is not None]
    again = error_rates(find, read_lines(SwitchingExample, FRESH / f"{language}.jsonl"))
    row |= {"precision, fresh": again.precision, "recall, fresh": again.recall}
    if language != "en":
        row |= _on_mixed(find, language, sentences)
    return row, ratios


def _of_pair(
    find: Finder, language: str, examples: Sequence[SwitchingExample], pair: str
) -> tuple[float | None, float | None]:
    """Precision and recall of switches into other scripts, English in one script, or other languages of that script.

    What was found wrongly counts for the pair that it was found as; None where there is no such example.
    """
    scripts = set(writing(language).scripts)

    def pair_of(languages: Iterable[str]) -> str:
        if all(scripts.isdisjoint(writing(each).scripts) for each in languages):
            return "script"
        return "English" if "en" in languages else "same script"

    switched = [example for example in examples if example.switched and pair_of(example.into) == pair]
    found = sum(bool(find(example.text, words_asked([example.prompt]))) for example in switched)
    wrong = 0
    for example in examples:
        if not example.switched and (spans := find(example.text, words_asked([example.prompt]))):
            other = [span.language for span in spans if span.level == "word"]
            wrong += pair == (pair_of(other) if other else "script")
    if not switched:
        return None, None
    return found / (found + wrong) if found + wrong else 1.0, found / len(switched)


def _on_mixed(find: Finder, language: str, sentences: dict[str, list[str]]) -> dict[str, Any]:
    """Recall by the length of the English piece, and precision by how many sentences hold one."""
    row = _recalls(find, language, "en", sentences)
    for rate in RATES:
        made = list(mixed(_unseen(sentences[language]), _unseen(sentences["en"]), language, rate, PIECES, seed=1))
        found = [each.place is not None for each in made if find(each.text, _NOTHING)]
        row[f"precision at {rate:.0%}"] = sum(found) / len(found) if found else 1.0
    return row


def _recalls(find: Finder, language: str, other: str, sentences: dict[str, list[str]]) -> dict[str, Any]:
    """Share of sentences that are found to switch, by the length of the other language's piece in them."""
    row: dict[str, Any] = {}
    for piece in PIECES:
        made = mixed(_unseen(sentences[language]), _unseen(sentences[other]), language, 1.0, [piece])
        found = [bool(find(each.text, _NOTHING)) for each in made if each.place]
        row[f"recall, {piece}"] = sum(found) / len(found)
    return row


def _english(sentences: Sequence[str]) -> dict[str, Any]:
    """What is got right where single words of five languages are looked for within English."""
    find = finder(MeasuredSwitchingConfig(language="en", switching=SwitchingConfig(languages=WITHIN_ENGLISH)))
    rates = error_rates(find, list(read_lines(SwitchingExample, EXAMPLES / "en.jsonl"))[1::2])
    false, false_unseen = _false(find, sentences)
    return {
        "precision": rates.precision,
        "recall": rates.recall,
        "FLORES false": false,
        "second half": false_unseen,
    }


def _false(find: Finder, sentences: Sequence[str]) -> tuple[float, float]:
    """The share of sentences that are found to switch, and that of the second half of them."""
    found = [bool(find(sentence, _NOTHING)) for sentence in sentences]
    return sum(found) / len(found), sum(_unseen(found)) / len(_unseen(found))


def _unseen(lines: Sequence[Any]) -> Sequence[Any]:
    """The half of FLORES that was not looked at while thresholds were set."""
    return lines[len(lines) // 2 :]


def _sentences(data: Path, language: str, limit: int) -> list[str]:
    path = data / "parallel" / "flores200-devtest" / f"{language}.txt"
    return path.read_text(encoding="utf-8").splitlines()[:limit]


def _texts(data: Path, language: str, limit_bytes: int) -> list[str]:
    """Text of the corpus in pieces as long as a response of some 300 words."""
    pieces: list[str] = []
    size = 0
    with gzip.open(data / "text" / f"{language}.jsonl.gz") as lines:
        for line in lines:
            text = json.loads(line)["text"]
            for start in range(0, len(text), 1_500):
                pieces.append(text[start : start + 1_500])
                size += len(pieces[-1].encode())
                if size >= limit_bytes:
                    return pieces
    return pieces


def _speed(config: MeasuredSwitchingConfig, texts: Sequence[str]) -> float:
    """Megabytes of text a CPU second, of which it is said where they leave their language; libraries loaded before."""
    detect = detector(config)
    responses = [
        Response(id="", benchmark="", subject="", num_shots=0, answers=(), texts=(text,), ended="stopped")
        for text in (_WARMING, *texts)
    ]
    detect(responses[0])
    started = time.process_time()
    for response in responses[1:]:
        detect(response)
    return sum(len(text.encode()) for text in texts) / 1e6 / (time.process_time() - started)
