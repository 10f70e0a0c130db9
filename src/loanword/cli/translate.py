"""`loanword translate FILE --to sw`: a set of questions or instructions in another language, by any model.

What a model says is written down answer by answer, so that what was stopped goes on and nothing is asked twice. What
looks wrong is left to people; the set is written when nothing is flagged any more, or where that is accepted.
"""

import argparse
import json
import os
import re
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loanword.cli.chat import printable
from loanword.cli.translator import add_translator_arguments, consent, identity, open_translator
from loanword.cli.watching import watched
from loanword.errors import UserError
from loanword.evaluation.back_translation import chrf
from loanword.evaluation.corrections import Settled, given, read_corrections, settle, write_flagged
from loanword.evaluation.question_sets import QuestionSet, read_set
from loanword.evaluation.set_files import TABLES
from loanword.evaluation.translation import Text, Translated, TranslationConfig, Translator, distinct
from loanword.evaluation.translation_estimate import Estimate, estimate
from loanword.evaluation.translation_journal import Journal
from loanword.evaluation.translation_requests import Asker, Limits
from loanword.interruption import REQUEUE, noticed
from loanword.language_names import english_name
from loanword.records import write_json
from loanword.writing import script_letters, writing

CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
FLAGGED = 2
"""How it ends where the set is not written because people have to look at some of it first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `translate`."""
    parser.add_argument("set", type=Path, metavar="FILE", help="a file, or a folder of files, of questions")
    parser.add_argument("--to", required=True, metavar="CODE", help="language to translate into, as sw or zh-Hant")
    parser.add_argument("--from", dest="source", default="en", metavar="CODE", help="its own language (default: en)")
    parser.add_argument("--to-name", metavar="NAME", help="the language's English name, where the code is not known")
    parser.add_argument("--from-name", metavar="NAME", help="likewise")
    parser.add_argument("--out", type=Path, help="where the set is written (default: beside it, NAME.CODE)")
    parser.add_argument(
        "--fields", metavar="A,B,...", help="what is translated of a row (default: by its shape; answers never are)"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="only these files of a folder")
    add_translator_arguments(parser)
    checks = parser.add_argument_group("what people look at")
    checks.add_argument(
        "--flag-below", type=float, default=30.0, metavar="CHRF",
        help="flag what comes back worse than this, of 100, when it is translated back (default: 30)",
    )  # fmt: skip
    checks.add_argument("--no-back-translation", action="store_true", help="translate nothing back, at half the price")
    checks.add_argument(
        "--corrections", type=Path, nargs="+", default=[], metavar="FILE", help="flagged texts that were corrected"
    )
    checks.add_argument("--accept-flagged", action="store_true", help="write the set with what is still flagged in it")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """75 where it was stopped with work left: the same command goes on. 2 where flagged texts are to be corrected."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        _say("\nstopped; what was answered is kept: the same command goes on")
        sys.stdout.flush()
        # Answers on their way are waited for after the first Ctrl-C; whoever presses it again wants the process to end.
        os._exit(REQUEUE)


def _run(arguments: argparse.Namespace) -> int:
    fields = [name.strip() for name in (arguments.fields or "").split(",") if name.strip()]
    asked = read_set(arguments.set, fields, arguments.only)
    texts = asked.texts
    out = arguments.out or _beside(arguments.set, arguments.to)
    stem = _stem(out)
    _check(arguments, out, texts)
    corrections = read_corrections(arguments.corrections, texts)
    config = _config(arguments)
    with Journal(arguments.journal or stem.with_name(stem.name + ".journal.jsonl")) as journal:
        translator = Translator(config, journal, given(corrections))
        todo = translator.unasked(texts)
        expected = estimate(todo, config.target, back=config.back_translation, chat=config.chat)
        _tell(arguments, asked, texts, expected)
        if todo and not _ask(arguments, config, translator, journal, texts, expected):
            _say("stopped; what was answered is kept: the same command goes on")
            return REQUEUE
        translated = translator.translated(texts)
        spent_tokens = journal.spent_tokens
    settled = settle(translated, corrections)
    facts = _facts(config, texts, translated, settled) | {"tokens_about": spent_tokens}
    flagged = write_flagged(settled.flagged, stem.with_name(stem.name + ".flagged.jsonl")) if settled.flagged else None
    num_partial = sum(not one.whole for one in settled.flagged)
    written = not settled.flagged or (arguments.accept_flagged and not num_partial)
    if written:
        asked.write(settled.translations, out)
        write_json(facts, stem.with_name(stem.name + ".translation.json"))
    _print(arguments, facts, settled, flagged, out if written else None)
    return 0 if written else FLAGGED


def _ask(
    arguments: argparse.Namespace,
    config: TranslationConfig,
    translator: Translator,
    journal: Journal,
    texts: Sequence[Text],
    expected: Estimate,
) -> bool:
    """Whether all was asked; it was not where somebody stopped it."""
    consent(arguments, expected)
    if config.back_translation:
        chrf("a", "a")  # what its score wants is missed before anything is paid for
    model, calls = open_translator(arguments)
    limits = Limits(config.max_new_tokens, arguments.limit_tokens)
    asker = Asker(model, journal, calls, limits, chat=config.chat)
    with noticed() as stop, watched(f"{config.source} to {config.target}") as progress:
        told = False

        def stopped() -> bool:
            nonlocal told
            if stop.asked and not told:
                told = True
                _say("stopping; answers that are on their way are waited for, Ctrl-C again ends at once")
            return stop.asked

        return translator.ask_all(texts, asker, progress, stopped)


def _config(arguments: argparse.Namespace) -> TranslationConfig:
    return TranslationConfig(
        source=arguments.source,
        target=arguments.to,
        source_name=_name(arguments.source, arguments.from_name, "from"),
        target_name=_name(arguments.to, arguments.to_name, "to"),
        model=identity(arguments),
        chat=not arguments.plain,
        max_new_tokens=arguments.max_new_tokens,
        piece_characters=arguments.piece_characters,
        context=not arguments.no_context,
        back_translation=not arguments.no_back_translation,
        flag_below=arguments.flag_below,
    )


def _name(code: str, given: str | None, flag: str) -> str:
    name = (given or english_name(code)) if CODE.fullmatch(code) else None
    if name is None:
        raise UserError(
            f"--{flag} {code}", "no English name is known for this code", expected="BCP-47, as sw, zh-Hant or pt-BR",
            do=f"correct the code, or say what the prompt calls the language with --{flag}-name",
        )  # fmt: skip
    return name


def _check(arguments: argparse.Namespace, out: Path, texts: Sequence[Text]) -> None:
    """What is wrong before anything is asked."""
    if arguments.source == arguments.to:
        raise UserError(f"--to {arguments.to}", "is the language of the set", expected="another", do="correct --to")
    if out.exists():
        raise UserError(out, "is there already", expected="a new name", do="move it away, or give --out")
    if not out.absolute().parent.is_dir():
        raise UserError(out, "its folder is not there", expected="a name in a folder", do="make it, or correct --out")
    _check_places(arguments.set, out, arguments.journal)
    if not 0 <= arguments.flag_below <= 100:
        raise UserError(f"--flag-below {arguments.flag_below}", "no chrF", expected="0 to 100", do="correct it")
    for name in ("max_new_tokens", "piece_characters", "limit_tokens", "at_once"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} {value}", "not a positive number", do="give 1 or more")
    if not texts:
        raise UserError(arguments.set, "holds no text in these fields", expected="one or more", do="check --fields")
    counts: Counter[str] = Counter()
    for text in distinct(texts):
        counts.update(script_letters(text.text))
    own = sum(counts[script] for script in writing(arguments.source).scripts)
    if 2 * own < counts.total():
        found = ", ".join(script for script, _ in counts.most_common(2))
        raise UserError(
            f"--from {arguments.source}",
            f"most letters of the set are of other scripts: {found}",
            expected=f"text in {' or '.join(writing(arguments.source).scripts)} script",
            do="say with --from which language the set is in",
        )


def _check_places(asked: Path, out: Path, journal: Path | None) -> None:
    kind = _suffix(asked)
    if asked.is_file() and _suffix(out) != kind:
        raise UserError(
            out, f"is not named as the set, which is {kind}", expected=f"a name that ends with {kind}",
            do="correct --out",
        )  # fmt: skip
    for path in (out, journal):
        if path is not None and path.resolve().is_relative_to(asked.resolve()):
            raise UserError(
                path, "is a part of the set", expected="a place outside: a rerun would read it as questions",
                do="give another --out or --journal",
            )  # fmt: skip


def _suffix(path: Path) -> str:
    return path.name[len(_stem(path).name) :].lower()


def _beside(path: Path, code: str) -> Path:
    if path.is_dir():
        return path.resolve().with_name(f"{path.resolve().name}.{code}")
    stem = _stem(path)
    return path.with_name(f"{stem.name}.{code}{path.name[len(stem.name) :]}")


def _stem(path: Path) -> Path:
    """A set's name without the suffix that says how to read it."""
    for suffix in (*(suffix + ".gz" for suffix in TABLES), *TABLES):
        if path.name.lower().endswith(suffix):
            return path.with_name(path.name[: -len(suffix)])
    return path


def _facts(
    config: TranslationConfig, texts: Sequence[Text], translated: Sequence[Translated], settled: Settled
) -> dict[str, Any]:
    """What is known of a translation; numbers count distinct texts, but for `num_places`."""
    scores = [one.chrf for one in translated if one.chrf is not None]
    num_same = sum(not one.why and one.translation == one.text.text for one in translated)
    num_flagged = len(settled.flagged)
    return {
        "config": config.model_dump(mode="json"),
        "num_places": len(texts),
        "num_texts": len(translated),
        "num_left_as_they_were": num_same,
        "num_machine_translated": len(translated) - num_same - settled.num_corrected - num_flagged,
        "num_corrected": settled.num_corrected,
        "num_flagged": num_flagged,
        "median_chrf": round(statistics.median(scores), 1) if scores else None,
    }


def _tell(arguments: argparse.Namespace, asked: QuestionSet, texts: Sequence[Text], expected: Estimate) -> None:
    fields = asked.fields
    _say(
        f"{arguments.set}: {len(texts):,} texts ({len(distinct(texts)):,} different ones) in "
        f"{', '.join(fields['translated'])}; left as they are: {', '.join(fields['others']) or 'nothing'}"
    )
    if asked.others:
        _say(f"copied as they are: {', '.join(asked.others)}")
    if expected.num_requests:
        cost = "" if arguments.price is None else f", about {expected.price(*arguments.price):,.2f} at the given prices"
        _say(
            f"to ask: {expected.num_requests:,} requests, about {expected.read_tokens:,} tokens read and "
            f"{expected.written_tokens:,} written{cost}"
        )
    else:
        _say("nothing is left to ask")


def _print(
    arguments: argparse.Namespace, facts: dict[str, Any], settled: Settled, flagged: Path | None, out: Path | None
) -> None:
    if arguments.json:
        where = {"out": None if out is None else str(out), "flagged": None if flagged is None else str(flagged)}
        print(json.dumps(facts | where, ensure_ascii=False, indent=2))
        return
    print(
        f"{facts['num_texts']:,} texts: {facts['num_machine_translated']:,} machine-translated, "
        f"{facts['num_corrected']:,} corrected, {facts['num_flagged']:,} flagged, "
        f"{facts['num_left_as_they_were']:,} left as they were"
    )
    if facts["median_chrf"] is not None:
        print(f"chrF of the back-translations: median {facts['median_chrf']}")
    if flagged is not None:
        print(f"flagged texts: {flagged}")
        if out is None:
            print(
                f"correct `translation` there, or set `reviewed` to true where it is right, and run the same command "
                f"with --corrections {flagged}"
            )
            num_partial = sum(not one.whole for one in settled.flagged)
            more = f"; {num_partial:,} lack some or all of their text and cannot be" if num_partial else ""
            print(f"or accept them as they are with --accept-flagged{more}")
    if out is not None:
        print(out)


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr, flush=True)
