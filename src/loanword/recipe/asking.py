"""What a run's model is asked: held-out text and benchmarks, and how answers are graded."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, cast

from pydantic import Field, field_validator, model_validator

from loanword.recipe.text import OverlapConfig
from loanword.records import Count, Language, PositiveCount, Record, SourcePath


class LikelihoodsConfig(Record):
    """Held-out text by language, and how windows slide.

    A file holds one document a line (.txt, or .dev and .devtest as FLORES-200 has them) or a record a line (.jsonl).
    """

    texts: dict[Language, SourcePath] = Field(default_factory=dict)
    window_tokens: PositiveCount = 2048
    stride_tokens: PositiveCount = 1024
    limit_documents: PositiveCount | None = None

    @model_validator(mode="after")
    def _stride_fits(self) -> "LikelihoodsConfig":
        if self.stride_tokens > self.window_tokens:
            raise ValueError(f"stride_tokens {self.stride_tokens} is larger than window_tokens {self.window_tokens}")
        return self


FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
"""What is not plain text in a template: a field in braces, a brace that is written twice, or a stray one."""

Split = Literal["train", "dev", "val", "test"]


class DescriptionConfig(Record):
    """A benchmark of somebody's own: where its questions lie, which columns they are made of, and how they are asked.

    Where: `files` are names (`*` stands for any part of one) below the benchmark's folder, or inside the Hub data set
    `hub` at `revision`: .csv, .tsv, .json, .jsonl or .parquet. Without `files` the folder is itself the file that is
    asked. Shots, of which there are none unless `num_shots` says so, are the first rows of the split `shots_from`, of
    the question's own subject or of the whole benchmark (`shots_of`).

    Columns: `question` is a template over columns, `{passage}\\n{question}`. `options` are columns, or the one column
    that holds a list: a list, or text that is one in JSON, or in Python where all of it is quoted. `answer` holds a
    letter (one of `answer_letters`, which are `letters` where nothing else is said), a number (from 1), an index
    (from 0), or the text of the right option. `subject`, its `category`, and `id` may be columns too.

    Prompt: header, shots, question, each shot followed by `shot_separator`. In `prompt` stands `{options}` for a line
    `option_line` an option; `header` and `prompt` may hold `{subject}`. The answer follows after `answer_separator`:
    a letter of `letters`, or with `scored = "options"` the text of an option, as is then scored too. The protocols
    options and options-only ask for texts whatever `scored` says, without `header` and the line of `{options}`.
    """

    language: Language
    title: str = ""
    source: str = ""
    licence: str = ""
    hub: Annotated[str, Field(pattern=r"^[^/\s@]+/[^/\s@]+$")] | None = None
    revision: str | None = None
    files: dict[Split, tuple[str, ...]] = Field(default_factory=dict[Split, tuple[str, ...]])
    shots_from: Split = "dev"
    shots_of: Literal["subject", "benchmark"] = "subject"
    question: str
    options: str | tuple[str, ...]
    answer: str
    answer_is: Literal["letter", "number", "index", "text"] = "letter"
    answer_letters: tuple[str, ...] = ()
    letters: tuple[str, ...] = ("A", "B", "C", "D")
    subject: str | None = None
    category: str | None = None
    id: str | None = None
    header: str = ""
    prompt: str = "{question}\n{options}\nAnswer:"
    option_line: str = "{letter}. {option}"
    answer_separator: str = " "
    shot_separator: str = "\n\n"
    scored: Literal["letters", "options"] = "letters"

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_several_files(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        entries = cast("dict[str, str | list[str]]", value)
        several = {split: [names] if isinstance(names, str) else names for split, names in entries.items()}
        # Past a validator of its own JSON is Python to pydantic, in which a strict tuple is no list.
        return {split: tuple(names) if type(names) is list else names for split, names in several.items()}

    @model_validator(mode="after")
    def _whole(self) -> "DescriptionConfig":
        problems = [*self._misplaced(), *self._misnamed(), *self._misworded()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _misplaced(self) -> Iterator[str]:
        if self.hub is not None and not self.files:
            yield "files: missing; name what of the data set is asked"
        if self.revision is not None and self.hub is None:
            yield "revision goes with hub"
        for split, names in self.files.items():
            if not names:
                yield f"files.{split}: names no file"
            for name in names:
                if not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                    yield f"files.{split}: {name!r} is not a name below the folder"

    def _misnamed(self) -> Iterator[str]:
        for name in ("letters", "answer_letters"):
            names: tuple[str, ...] = getattr(self, name)
            if len(set(names)) != len(names) or any(not text or text != text.strip() for text in names):
                yield f"{name}: {', '.join(map(repr, names))} are not names that tell options apart"
        columns = () if isinstance(self.options, str) else self.options
        if len(self.letters) < max(2, len(columns)):
            yield f"letters: {len(self.letters)} for {max(2, len(columns))} options"
        if not isinstance(self.options, str) and len(set(columns)) < max(2, len(columns)):
            yield "options: give two columns or more, or the one that holds a list"
        if self.answer_letters and self.answer_is != "letter":
            yield 'answer_letters go with answer_is = "letter"'
        if self.answer_letters and len(self.answer_letters) != len(self.letters):
            yield f"answer_letters: {len(self.answer_letters)}, letters: {len(self.letters)}; one stands for the other"
        if self.category is not None and self.subject is None:
            yield "category goes with subject"

    def _misworded(self) -> Iterator[str]:
        subject = {"subject"} if self.subject is not None else set[str]()
        options = {"options"} if self.scored == "letters" else set[str]()
        known = {"header": subject, "prompt": {"question", "options"} | subject, "option_line": {"letter", "option"}}
        needed = {"prompt": {"question"} | options, "option_line": {"letter", "option"}}
        for name in ("question", *known):
            fields, stray = template_fields(getattr(self, name))
            if stray:
                yield f"{name}: a single brace; write a brace that is meant as text twice"
            elif unknown := set(fields) - known.get(name, set(fields)):
                among = ", ".join(f"{{{field}}}" for field in sorted(known[name])) or "no field"
                yield f"{name}: {{{sorted(unknown)[0]}}} is none of its fields ({among})"
            elif missing := needed.get(name, set()) - set(fields):
                yield f"{name}: lacks {', '.join(f'{{{field}}}' for field in sorted(missing))}"
        if not template_fields(self.question)[0]:
            yield "question: names no {column}"
        if self.answer_separator.strip():
            yield f"answer_separator: {self.answer_separator!r} is more than white space; let prompt end in it"


def template_fields(template: str) -> tuple[tuple[str, ...], bool]:
    """The names in braces, in order, and whether there is a stray brace."""
    parts = list(FIELD.finditer(template))
    return tuple(part[1] for part in parts if part[1] is not None), any(part[0] in ("{", "}") for part in parts)


class DecodingConfig(Record):
    """How responses are generated; without `max_new_tokens` as many as the benchmark's protocol says."""

    max_new_tokens: PositiveCount | None = None
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Count = 0


Answering = Literal["likelihood", "generation", "chain-of-thought"]
Precision = Literal["float32", "bf16"]
ChoiceIds = Literal["in-context", "isolated"]


class BenchmarkConfig(Record):
    """One benchmark as it lies on disk (or on the Hub) and as it is asked; `limit_examples` counts per subject.

    `protocol`: the authors' own prompts and scoring (official), lm-evaluation-harness's (harness), or ours: the
    likelihood of whole statements, one an option (options), and of the options with nothing before them, which is the
    control (options-only). `answering`: by the likelihood of the options, by generation, or by generation after a chain
    of thought. What is None is as the benchmark's protocol says. `chat` applies the checkpoint's chat template to what
    is generated from. `language` is that of a translated set, where it is not the benchmark's own.
    """

    name: str = ""
    folder: SourcePath | None = None
    description: DescriptionConfig | None = None
    split: Literal["val", "test", "dev"] = "val"
    subjects: tuple[str, ...] = ()
    limit_examples: PositiveCount | None = None
    protocol: Literal["official", "harness", "options", "options-only"] = "official"
    answering: Answering | None = None
    num_shots: Count | None = None
    choice_ids: ChoiceIds = "in-context"
    chat: bool = False
    decoding: DecodingConfig = DecodingConfig()
    precision: Precision = "float32"
    language: Language | None = None
    prompt_version: Literal[2] = 2

    @model_validator(mode="after")
    def _somewhere(self) -> "BenchmarkConfig":
        described = self.description
        if (self.folder is None) == (described is None or described.hub is None):
            raise ValueError("give folder (below the data root), or in its place description.hub (a Hub data set)")
        if described is not None and described.files and self.split not in described.files:
            raise ValueError(f"split: {self.split!r} is not among description.files ({', '.join(described.files)})")
        return self


class ResponsesConfig(Record):
    """Which of the recipe's benchmarks this run answers."""

    benchmarks: tuple[str, ...] = ()


class GradesConfig(Record):
    """How responses are graded: what a text says is read by the protocol's own rules (official), or by rules for many
    languages and ways to answer (robust).
    """

    extraction: Literal["official", "robust"] = "official"
    grading_version: Literal[2] = 2


class MeasuredOverlapConfig(Record):
    """Which benchmark is looked for in a text, and by what it counts as found."""

    benchmark: BenchmarkConfig
    overlap: OverlapConfig
