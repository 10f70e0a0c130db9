"""Benchmarks and text as a command line asks them of one model, as the configs and jobs that a study would have."""

import argparse
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from loanword.errors import UserError
from loanword.evaluation.benchmarks import USUAL, benchmark_of, settled
from loanword.evaluation.csv_questions import csv_path
from loanword.recipe import BenchmarkConfig, LikelihoodsConfig
from loanword.records import Record, canonical_json

C = TypeVar("C", bound=Record)

USUAL_WINDOW_TOKENS = 2048
NAME = re.compile(r"[^\W_][\w.-]*")
FEW_SUBJECTS = 3
"""As many are spelled out in a name."""


def add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    """Which benchmarks, and how they are asked."""
    asked = parser.add_argument_group("benchmarks")
    asked.add_argument("--benchmarks", nargs="+", default=[], choices=sorted(USUAL), help="which to ask")
    asked.add_argument(
        "--describe", type=Path, action="append", default=[], metavar="FILE",
        help="also ask what this TOML file describes, as the tables [NAME] of a study's recipe.benchmarks do",
    )  # fmt: skip
    asked.add_argument(
        "--data", type=Path, default=Path(), metavar="DIR", help="data root of the benchmarks (default: .)"
    )
    asked.add_argument(
        "--folder", action="append", default=[], metavar="NAME=PATH", help="where a benchmark lies instead"
    )
    asked.add_argument(
        "--split", choices=("val", "test", "dev"), help="which split to ask (default: the benchmark's own)"
    )
    asked.add_argument("--subjects", nargs="+", default=[], metavar="NAME", help="only these of their subjects")
    asked.add_argument("--limit", type=int, metavar="N", help="only the first N questions of a subject")
    asked.add_argument(
        "--protocol", choices=("official", "harness", "options", "options-only"),
        help="prompts and scoring of the authors (default), of lm-evaluation-harness, or ours: the likelihood of the"
             " statement that each option makes, or of the options alone",
    )  # fmt: skip
    asked.add_argument("--language", metavar="CODE", help="of a translated set (default: the benchmark's own)")
    asked.add_argument(
        "--answering", choices=("likelihood", "generation", "chain-of-thought"),
        help="by the likelihood of the options, or by what the model writes (default: the protocol's own)",
    )  # fmt: skip
    asked.add_argument("--shots", type=int, metavar="N", help="solved examples in a prompt (default: the protocol's)")
    asked.add_argument(
        "--choice-ids", choices=("in-context", "isolated"),
        help="ids of a letter: those that continue the prompt (default), or of the letter encoded by itself",
    )  # fmt: skip
    asked.add_argument("--precision", choices=("float32", "bf16"), help="of the model's body (default: float32)")
    asked.add_argument("--chat", action="store_true", help="generate after the checkpoint's chat template")
    asked.add_argument("--max-new-tokens", type=int, metavar="N", help="longest response (default: the protocol's)")
    asked.add_argument(
        "--temperature", type=float, metavar="X", help="of generated responses (default: 0, the likeliest)"
    )
    asked.add_argument("--seed", type=int, metavar="N", help="of responses that are drawn (default: 0)")
    asked.add_argument(
        "--extraction", choices=("official", "robust"), default="official",
        help="how responses are read: as the protocol does (default), or by rules for many languages",
    )  # fmt: skip


def benchmark_configs(arguments: argparse.Namespace) -> dict[str, BenchmarkConfig]:
    """The settled config of every benchmark asked, by a short name that says in what it differs from the usual way.

    Raises:
        UserError: a flag that fits no benchmark asked, a description that is wrong.
    """
    folders = named_folders(arguments.folder, arguments.benchmarks, "names no benchmark that is asked")
    asked = {name: _usual(name, folders.get(name)) for name in arguments.benchmarks}
    for file in arguments.describe:
        for name, config in _described(file):
            if name in asked:
                raise UserError(f"{file}: [{name}]", "is asked already", expected="a name of its own", do="rename it")
            asked[name] = config
    subjects = _subjects(arguments, asked)
    flags = _flags(arguments)
    made: dict[str, BenchmarkConfig] = {}
    for name, config in asked.items():
        decoding = config.decoding.model_dump(mode="json") | _decoding(arguments)
        asked_so: dict[str, Any] = {"subjects": subjects[name], "decoding": decoding}
        values = config.model_dump(mode="json") | flags | asked_so
        wanted = settled(_from_flags(BenchmarkConfig, values))
        parts = [_short_name(name, wanted, settled(_usual_asking(config)))]
        parts += [Path(folders[name]).name] if name in folders else []
        parts += [arguments.extraction] if arguments.extraction != "official" else []
        made["_".join(parts)] = wanted
    return made


def _usual_asking(config: BenchmarkConfig) -> BenchmarkConfig:
    """A benchmark as it is asked where only its files are said; a described one by its own split."""
    return BenchmarkConfig(name=config.name, folder=config.folder, description=config.description, split=config.split)


def _from_flags(kind: type[C], values: Mapping[str, Any]) -> C:
    try:
        return kind.from_json(json.dumps(values), where="loanword evaluate")
    except UserError as error:
        raise UserError(error.where, error.what, do="correct the flag, or the description, that says so") from None


def likelihoods_config(
    arguments: argparse.Namespace, texts: Mapping[str, Path], context_tokens: int | None
) -> LikelihoodsConfig:
    """How held-out text is read: in windows of the context's length, 2,048 tokens at most where nothing is said."""
    usual = min(USUAL_WINDOW_TOKENS, context_tokens or USUAL_WINDOW_TOKENS)
    window = usual if arguments.window is None else arguments.window
    values = {
        "texts": {language: str(file.resolve()) for language, file in texts.items()},
        "window_tokens": window,
        "stride_tokens": max(1, window // 2) if arguments.stride is None else arguments.stride,
    }
    return _from_flags(LikelihoodsConfig, values)


def _usual(name: str, folder: str | None) -> BenchmarkConfig:
    usual = USUAL[name]
    return BenchmarkConfig.from_json(
        canonical_json({"name": name, "folder": folder or usual.folder, "split": usual.split}), where=name
    )


def _described(file: Path) -> Iterator[tuple[str, BenchmarkConfig]]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            file, f"cannot be read: {error}", expected="TOML with a table a benchmark", do="see docs/extending.md"
        ) from None
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            raise UserError(
                f"{file}: [{name}]",
                "cannot name a benchmark",
                expected="letters, digits, - and .",
                do="rename the table",
            )
        config = BenchmarkConfig.from_json(canonical_json(table), where=f"{file}: [{name}]")
        yield name, config.model_copy(update={"name": config.name or name})


def named_folders(words: Sequence[str], benchmarks: Sequence[str], unknown: str) -> dict[str, str]:
    """Folders by the benchmark that each `NAME=PATH` of --folder names.

    Raises:
        UserError: a word that names none of `benchmarks`; `unknown` says what it then is.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or name not in benchmarks:
            raise UserError(
                f"--folder {word}",
                unknown,
                expected=f"NAME=PATH with one of {', '.join(benchmarks) or 'those under --benchmarks'}",
                do="correct --folder or --benchmarks",
            )
        found[name] = path
    return found


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {
        "split": arguments.split,
        "limit_examples": arguments.limit,
        "protocol": arguments.protocol,
        "language": arguments.language,
        "answering": arguments.answering,
        "num_shots": arguments.shots,
        "choice_ids": arguments.choice_ids,
        "precision": arguments.precision,
        "chat": arguments.chat or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _decoding(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {
        "max_new_tokens": arguments.max_new_tokens,
        "temperature": arguments.temperature,
        "seed": arguments.seed,
    }
    return {name: value for name, value in given.items() if value is not None}


def _subjects(arguments: argparse.Namespace, asked: Mapping[str, BenchmarkConfig]) -> dict[str, list[str]]:
    """The named subjects by benchmark; none named is all of them, and a described benchmark's are its own to check.

    A folder in a published layout may hold subjects of its own.

    Raises:
        UserError: a subject that no asked benchmark has, or a benchmark of which none is named.
    """
    known = {name: benchmark_of(config).subjects for name, config in asked.items() if config.description is None}
    if not arguments.subjects:
        return {name: list(config.subjects) for name, config in asked.items()}
    chosen = {
        name: [one for one in arguments.subjects if one in has or _is_in_folder(one, asked[name], arguments.data)]
        for name, has in known.items()
    }
    chosen |= {name: arguments.subjects for name in asked if name not in known}
    unknown = [subject for subject in arguments.subjects if not any(subject in names for names in chosen.values())]
    empty = [name for name, subjects in chosen.items() if not subjects]
    if unknown or empty:
        what = f"unknown: {', '.join(unknown)}" if unknown else f"names no subject of {', '.join(empty)}"
        expected = "; ".join(f"{name}: {', '.join(has)}" for name, has in known.items())
        raise UserError(
            "--subjects", what, expected=expected or "--benchmarks too", do="mend --subjects or --benchmarks"
        )
    return chosen


def _is_in_folder(subject: str, config: BenchmarkConfig, data: Path) -> bool:
    if config.folder is None:
        return False
    return any(csv_path(data / config.folder, split, subject).is_file() for split in ("dev", "val", "test"))


def _short_name(name: str, asked: BenchmarkConfig, usual: BenchmarkConfig) -> str:
    """The benchmark's name and whatever of the asking is not as usual: two ways of asking never share a name."""
    parts = [name]
    if asked.description is not None:
        parts.append(hashlib.sha256(asked.description.to_json().encode()).hexdigest()[:6])
    for field in ("split", "protocol", "language", "answering", "choice_ids", "precision"):
        if getattr(asked, field) != getattr(usual, field):
            parts.append(getattr(asked, field))
    parts += [f"{asked.num_shots}-shot"] if asked.num_shots != usual.num_shots else []
    parts += ["chat"] if asked.chat else []
    parts += [f"{key}={value}" for key, value in asked.decoding.model_dump(exclude_defaults=True).items()]
    parts += [_subjects_name(asked.subjects)] if asked.subjects != usual.subjects else []
    parts += [f"first={asked.limit_examples}"] if asked.limit_examples else []
    return "_".join(parts)


def _subjects_name(subjects: Sequence[str]) -> str:
    if len(subjects) <= FEW_SUBJECTS:
        return "+".join(subjects)
    return f"{len(subjects)}-subjects-{hashlib.sha256(canonical_json(list(subjects)).encode()).hexdigest()[:6]}"
