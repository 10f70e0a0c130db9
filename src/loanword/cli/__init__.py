"""The command `loanword`: verbs, what they print, and how they end.

Each verb is a module of its own, imported when it is called, so that `--help` answers at once.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from loanword.errors import UserError

VERBS = {
    "demo": ("loanword.cli.demo", "run a first small study on an invented world, from text to report"),
    "init": ("loanword.cli.init", "write a commented study file for a base, a target language and some text"),
    "doctor": ("loanword.cli.doctor", "say what this machine has, and what a study will miss on it"),
    "profile": ("loanword.cli.profile", "measure how fast this machine trains, for plans to say hours"),
    "plan": ("loanword.cli.plan", "name everything a study builds, what is there, what it takes, what changed"),
    "run": ("loanword.cli.run", "build what is missing of a study, then write its report"),
    "status": ("loanword.cli.status", "say what of a study is finished, being built, failed or waiting, and time left"),
    "verify": (
        "loanword.cli.verify",
        "say which files of a store are not what was written, and what was built from them",
    ),
    "gc": ("loanword.cli.gc", "say, or remove, what of a store none of some studies needs"),
    "report": ("loanword.cli.report", "write a study's page from what is finished"),
    "export": (
        "loanword.cli.export",
        "write one run's model, tokenizer and card to a folder in the Hub's layout, or to the Hub",
    ),
    "evaluate": ("loanword.cli.evaluate", "ask a model benchmarks and held-out text, without a study"),
    "translate": ("loanword.cli.translate", "translate a set of questions or instructions by a model or a server"),
    "compare": ("loanword.cli.compare", "pair two evaluations example by example, and say what differs"),
    "agreement": ("loanword.cli.agreement", "how far a judge agrees with people, or with another judge"),
    "tokenizer": (
        "loanword.cli.tokenizer",
        "how tokenizers encode a language, and what new pieces would save and cost",
    ),
    "overlap": ("loanword.cli.overlap", "how much of benchmarks is in a text, and lists of what no text may hold"),
    "chat": ("loanword.cli.chat", "talk to a checkpoint"),
}

USAGE = 2
BUG = 1
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; 0 if it did what was asked, 2 for what the user can mend, 130 after Ctrl-C.

    `run`, `evaluate` and `translate` end with 75 after Ctrl-C. A bug keeps its traceback and ends with 1.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((word for word in words if not word.startswith("-")), None)
    parser = _parser(verb)
    parsed = parser.parse_args(words)
    if "run_verb" not in parsed:
        parser.print_help()
        return USAGE
    try:
        return parsed.run_verb(parsed)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("\nstopped; the store keeps what was finished: run the same command again", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Version(argparse.Action):
    """Says the version, which is looked up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata

        print(f"loanword {metadata.version('loanword')}")
        parser.exit()


def _parser(verb: str | None) -> argparse.ArgumentParser:
    """The whole list of verbs, with the arguments of the one that is called."""
    parser = argparse.ArgumentParser(
        prog="loanword",
        description="Take a language model to another language, and prove what was gained and what was lost.",
        epilog="Start with `loanword demo` and `loanword doctor`, then `loanword init --help`. "
        "A file says what, the command line says where.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is")
    verbs = parser.add_subparsers(metavar="VERB", title="verbs")
    for name, (module, summary) in VERBS.items():
        sub = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == verb:
            loaded = importlib.import_module(module)
            loaded.add_arguments(sub)
            sub.set_defaults(run_verb=loaded.run)
    return parser
