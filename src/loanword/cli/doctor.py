"""`loanword doctor`: what this machine can do, and whether a study would find what it names.

What is heavy is imported when it is called, so that `--help` answers at once.
"""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loanword.cli.findings import Finding
    from loanword.recipe import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `doctor`."""
    parser.add_argument("--study", type=Path, metavar="FILE", help="check the data and the Hub models that it names")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data root (default: . where a study is given)")
    parser.add_argument("--store", type=Path, default=Path("store"), metavar="DIR", help="where artifacts would lie")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints what was found; 2 if anything stands in the way, else 0."""
    from loanword.cli.hub import hub_findings
    from loanword.cli.layout import layout_findings, named_repositories, named_sources, usual_layout
    from loanword.cli.machine import machine_findings

    recipes = _recipes(arguments.study)
    findings = list(machine_findings(arguments.store, os.environ))
    root: Path = arguments.data or Path()
    findings += hub_findings(named_repositories(recipes, root))
    if arguments.study is not None:
        findings += layout_findings(root, named_sources(recipes))
    elif arguments.data is not None:
        usual = "data, as studies/real-small.toml names it; of another study: --study FILE"
        findings += (found.model_copy(update={"area": usual}) for found in layout_findings(root, usual_layout()))
    return _report(findings, as_json=arguments.json)


def _recipes(study: Path | None) -> "list[Recipe]":
    if study is None:
        return []
    from loanword.study.file import cells, read_study

    return [cell.recipe for cell in cells(read_study(study), study)]


def _report(findings: "list[Finding]", *, as_json: bool) -> int:
    num_problems = sum(finding.state == "problem" for finding in findings)
    if as_json:
        found = [finding.model_dump(mode="json") for finding in findings]
        print(json.dumps({"findings": found, "num_problems": num_problems}, ensure_ascii=False, indent=2))
    else:
        from loanword.cli.findings import print_findings

        print_findings(findings)
        print("Nothing stands in the way." if not num_problems else f"{num_problems} problem(s), marked !! above.")
    return 2 if num_problems else 0
