"""What `init` finds where it is pointed: how much text, which context, which held-out text and benchmarks.

Everything that is wrong with what was named is said at once; what was not named and is not there is `missing`.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loanword.cli.layout import CHECKPOINT, HELD_OUT, INSTRUCTIONS
from loanword.cli.tokenizer import named_files
from loanword.corpus.instructions import read_instructions
from loanword.corpus.read import read_documents
from loanword.errors import UserError
from loanword.evaluation.benchmarks import BENCHMARKS, USUAL
from loanword.model.shape import published_context
from loanword.store.identity import is_hub_id

ENOUGH_BYTES = 200_000_000
FEW_DOCUMENTS = 200
USUAL_CONTEXT_TOKENS = 2048
FLORES = "parallel/flores200-devtest"
BENCHMARK_FOLDERS = {name: USUAL[name].folder for name in ("ceval", "mmlu")}
"""What a study written by `init` asks: both are answered by likelihood, in minutes."""


@dataclass(frozen=True)
class Survey:
    """What a study can be written from. Paths are as the study will hold them: from the data root where below it.

    Documents and bytes are those of the target text, counted no further than ENOUGH_BYTES.
    """

    name: str
    base: str
    source: str
    target: str
    texts: tuple[str, ...]
    source_texts: tuple[str, ...]
    instructions: tuple[str, ...]
    num_instructions: int
    held_out: dict[str, str]
    benchmarks: dict[str, str]
    context_tokens: int
    num_documents: int
    num_bytes: int
    missing: tuple[str, ...]


def survey(arguments: argparse.Namespace, *, name: str) -> Survey:
    """Looks at all that the command line of `init` names.

    Raises:
        UserError: the data root, the base or a file is not there or not readable; all of them at once.
    """
    root: Path = arguments.data
    if not root.is_dir():
        raise UserError(root, "no such data root", expected="the folder that paths start from", do="correct --data")
    look = _Look(root)
    texts = look.files(arguments.text, _open_corpus)
    source_texts = look.files(arguments.source_text, _open_corpus)
    instructions = look.files(arguments.instructions, INSTRUCTIONS.open)
    named = named_files(arguments.held_out, "--held-out")
    held_out = dict(zip(named, look.files([str(file) for file in named.values()], HELD_OUT.open), strict=True))
    base, context_tokens = look.base(arguments.base)
    look.raise_problems()
    languages = (arguments.source, arguments.target)
    held_out = _usual_held_out(root, languages) | held_out
    benchmarks = {
        known: folder
        for known, folder in BENCHMARK_FOLDERS.items()
        if BENCHMARKS[known].language in languages and (root / folder).is_dir()
    }
    num_documents, num_bytes = _size([root / file for file in texts])
    missing = _missing(arguments, held_out, benchmarks, context_tokens)
    if num_documents < FEW_DOCUMENTS:
        missing.append(
            f"documents: {num_documents:,} are few. Give one document a line as JSON Lines, not one file of all"
        )
    return Survey(
        name=name,
        base=base,
        source=arguments.source,
        target=arguments.target,
        texts=texts,
        source_texts=source_texts,
        instructions=instructions,
        num_instructions=_num_instructions([root / file for file in instructions]),
        held_out=held_out,
        benchmarks=benchmarks,
        context_tokens=context_tokens or USUAL_CONTEXT_TOKENS,
        num_documents=num_documents,
        num_bytes=num_bytes,
        missing=tuple(missing),
    )


class _Look:
    """Looks at what was named, below the data root or beside where one is, and keeps what is wrong with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[UserError] = []

    def files(self, names: Sequence[str], opens: Callable[[Path], object]) -> tuple[str, ...]:
        """Files as a study names them, each opened once."""
        return tuple(self._file(name, opens) for name in names)

    def _file(self, name: str, opens: Callable[[Path], object]) -> str:
        found = self._found(name)
        try:
            opens(found)
        except UserError as error:
            self.problems.append(error)
        return self._in_study(found)

    def base(self, name: str) -> tuple[str, int | None]:
        """The base as a study names it, and its context in tokens where that can be known now."""
        folder = self._found(name)
        if not folder.is_dir():
            if not is_hub_id(name):
                do = "correct --base; a checkpoint on the Hub is named org/name"
                self.problems.append(UserError(folder, "no such checkpoint", expected=CHECKPOINT.what, do=do))
            return name, None
        try:
            CHECKPOINT.open(folder)
            config = json.loads((folder / "config.json").read_bytes())
        except UserError as error:
            self.problems.append(error)
            return name, None
        except ValueError as error:
            self.problems.append(
                UserError(folder / "config.json", f"not JSON: {error}", do="copy the checkpoint again")
            )
            return name, None
        return self._in_study(folder), published_context(config)

    def raise_problems(self) -> None:
        """Raises all that was found wrong as one error."""
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            said = "".join(f"\n    {problem}" for problem in self.problems).replace("\n  ", "\n      ")
            raise UserError(
                "loanword init", f"{len(self.problems)} problems{said}", do="mend them all; nothing was written"
            )

    def _found(self, name: str) -> Path:
        return Path(name) if Path(name).exists() else self.root / name

    def _in_study(self, found: Path) -> str:
        """A path from the data root, or the whole path where it lies elsewhere."""
        whole, root = found.resolve(), self.root.resolve()
        return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.as_posix()


def _open_corpus(path: Path) -> None:
    next(read_documents([path]))


def _size(files: Sequence[Path]) -> tuple[int, int]:
    """Documents and their UTF-8 bytes, counted until there are enough for any budget that `init` writes."""
    num_documents = num_bytes = 0
    for document in read_documents(files):
        num_documents += 1
        num_bytes += len(document.text.encode())
        if num_bytes >= ENOUGH_BYTES:
            break
    return num_documents, num_bytes


def _num_instructions(files: Sequence[Path]) -> int:
    return len(read_instructions(files, seed=0).conversations) if files else 0


def _usual_held_out(root: Path, languages: Sequence[str]) -> dict[str, str]:
    files = {language: f"{FLORES}/{language}.txt" for language in languages}
    return {language: file for language, file in files.items() if (root / file).is_file()}


def _missing(
    arguments: argparse.Namespace, held_out: dict[str, str], benchmarks: dict[str, str], context_tokens: int | None
) -> list[str]:
    missing: list[str] = []
    for language in (arguments.source, arguments.target):
        if language not in held_out:
            missing.append(f"held-out text in {language}: without it no bits per byte. Give --held-out {language}=FILE")
    if not arguments.source_text:
        missing.append(
            f"text in {arguments.source}: without it no replay, and no new pieces, because nothing shows that they"
            f" leave {arguments.source} alone. Give --source-text FILE"
        )
    if not arguments.instructions:
        missing.append("instructions: without them no tuning. Give --instructions FILE")
    if not benchmarks:
        folders = " and ".join(BENCHMARK_FOLDERS.values())
        missing.append(f"benchmarks: without them no knowledge is measured. Put {folders} below the data root")
    if context_tokens is None:
        missing.append(
            f"the base's context: {arguments.base} is not here, so {USUAL_CONTEXT_TOKENS:,} tokens are assumed"
        )
    return missing
