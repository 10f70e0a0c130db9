"""Descriptions in the shapes of Belebele, Global-MMLU, INCLUDE and AfriMMLU; the questions are our own."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loanword.evaluation.benchmark import SubjectQuestions
from loanword.evaluation.benchmarks import asking_of, benchmark_of, settled
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import BenchmarkConfig

SWAHILI = [
    {
        "flores_passage": "Mji wa Orrin una madaraja tisa.",
        "question": "Madaraja ni mangapi?",
        "mc_answer1": "Mawili",
        "mc_answer2": "Tisa",
        "mc_answer3": "Kumi",
        "mc_answer4": "Hakuna",
        "correct_answer_num": "2",
    },
    {
        "flores_passage": "Boti {la mwisho} liliondoka saa tatu.",
        "question": "Boti liliondoka lini?",
        "mc_answer1": "Saa tatu",
        "mc_answer2": "Saa nne",
        "mc_answer3": "Asubuhi",
        "mc_answer4": "Jana",
        "correct_answer_num": "1",
    },
]
BELEBELE: dict[str, Any] = {
    "language": "sw",
    "files": {"test": "swh_Latn.jsonl"},
    "question": "{flores_passage}\nSwali: {question}",
    "options": ["mc_answer1", "mc_answer2", "mc_answer3", "mc_answer4"],
    "answer": "correct_answer_num",
    "answer_is": "number",
    "prompt": "{question}\n{options}\nJibu:",
}
COLUMNS = ["subject", "subject_category", "question", "option_a", "option_b", "option_c", "option_d", "answer"]
BENGALI = [
    ["harbours", "Orrin", "ওরিন বন্দরে কয়টি বাতিঘর আছে?", "একটি", "দুটি", "তিনটি", "None", "A"],
    ["bridges", "Orrin", "সবচেয়ে পুরোনো সেতু কোনটি?", "কাঁচের সেতু", "ইল স্ট্রিট", "NA", "১.৫০", "D"],
    ["harbours", "Orrin", "জাহাজ কখন ছাড়ে?", "সকালে", "দুপুরে", "রাতে", "কখনও না", "C"],
]
GLOBAL_MMLU: dict[str, Any] = {
    "language": "bn",
    "files": {"test": "bn.csv", "dev": "bn-dev.csv"},
    "question": "{question}",
    "options": ["option_a", "option_b", "option_c", "option_d"],
    "answer": "answer",
    "answer_letters": ["A", "B", "C", "D"],
    "letters": ["ক", "খ", "গ", "ঘ"],
    "subject": "subject",
    "category": "subject_category",
    "header": "বিষয়: {subject}\n\n",
    "prompt": "{question}\n{options}\nউত্তর:",
}
# A mark of direction, a tatweel and a decomposed hamza: what a normalisation or a reordering would change.
URDU = [
    {
        "id": "u1",
        "question": "اورین کہاں ہے؟\u200f (12)",
        "choices": ["شمال", "جنوب", "مشرق"],
        "answer": 2,
        "domain": "x",
    },
    {
        "id": "u2",
        "question": "پل کتنے ہیں؟",
        "choices": ["ا\u0654یک", "نـو", "دس", "صفر", "سو"],
        "answer": 1,
        "domain": "x",
    },
]
INCLUDE: dict[str, Any] = {
    "language": "ur",
    "files": {"val": "urdu.parquet"},
    "question": "{question}",
    "options": "choices",
    "answer": "answer",
    "answer_is": "index",
    "letters": ["أ", "ب", "ج", "د", "ه"],
    "id": "id",
    "option_line": "{letter}) {option}",
    "prompt": "سوال: {question}\n{options}\nجواب:",
}
AFRIMMLU: dict[str, Any] = {
    "language": "sw",
    "files": {"test": "test.tsv", "dev": "dev.tsv"},
    "question": "{question}",
    "options": "choices",
    "answer": "answer",
    "subject": "subject",
}
TSV = "subject\tquestion\tchoices\tanswer\n"


def config(folder: str = "here", **settings: Any) -> BenchmarkConfig:
    written = {"name": "mine", "folder": folder, "split": "test"} | settings
    return settled(BenchmarkConfig.model_validate_json(json.dumps(written)))


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    path.write_text("".join(",".join(row) + "\n" for row in [COLUMNS, *rows]), encoding="utf-8")


def loaded(folder: Path, asked: BenchmarkConfig) -> list[SubjectQuestions]:
    return benchmark_of(asked).load(folder, asked)


def choices(folder: Path, asked: BenchmarkConfig) -> list[ChoicePrompt]:
    made = [prompt for one in loaded(folder, asked) for prompt in asking_of(asked).prompts(one, asked)]
    return [prompt for prompt in made if isinstance(prompt, ChoicePrompt)]


def text(prompt: ChoicePrompt | OpenPrompt) -> str:
    return prompt.header + "".join(prompt.shots) + prompt.question
