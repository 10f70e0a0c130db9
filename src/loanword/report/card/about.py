"""What a card is about: one run of a study, beside the others, and the terms it is given out under."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from loanword.recipe import Recipe
from loanword.report.card.markdown import code, escaped
from loanword.report.comparisons import reference_run
from loanword.report.gather import Artifact, RunRecords, StudyInfo
from loanword.store.identity import DATASETS, is_hub_id

HUB = "https://huggingface.co/"
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Licence:
    """The terms that whoever gives a model out names: an id of the Hub's list, or a name and where to read it."""

    id: str = ""
    name: str = ""
    link: str = ""

    @property
    def is_named(self) -> bool:
        return bool(self.id or self.name)


@dataclass(frozen=True)
class Exported:
    """The run that is given out, its recipe, every run of its study, and what else its readers have to know.

    `repository` is where on the Hub it goes to, empty for a folder. `smoke`: made at a small part of its budgets.
    """

    run: RunRecords
    runs: Sequence[RunRecords]
    study: StudyInfo
    recipe: Recipe
    licence: Licence = Licence()
    repository: str = ""
    smoke: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def base_run(self) -> RunRecords | None:
        """The run of this run's own base, untouched; None where the study has none, or where it is this one."""
        base = reference_run([run for run in self.runs if _base_of(run) == _base_of(self.run)])
        return None if base is None or base.label == self.run.label else base

    @property
    def is_tuned(self) -> bool:
        return "tuning" in self.run.artifacts

    @property
    def is_pretrained(self) -> bool:
        return self.recipe.acting_pretraining is not None

    @property
    def is_extended(self) -> bool:
        return self.recipe.tokenizer.num_new_pieces > 0

    @property
    def is_changed(self) -> bool:
        """Whether anything was done to the base."""
        return self.is_tuned or self.is_pretrained or self.is_extended

    @property
    def languages(self) -> list[str]:
        """Codes of the languages that it was made for, the target first: a base alone has only its source."""
        return list(
            dict.fromkeys([self.recipe.target, self.recipe.source] if self.is_changed else [self.recipe.source])
        )


def named_models(base: Artifact | None) -> list[tuple[str, str]]:
    """Id and commit of every model of the Hub that a base was made of, the model itself first."""
    identity: Mapping[str, Any] = {} if base is None else base.manifest.identity
    named: list[Any] = [identity.get("model"), identity.get("patch"), identity.get("original_weights")]
    named += [*(identity.get("adapter") or ()), identity.get("tokenizer")]
    found = [_at_commit(one) for one in named if isinstance(one, str)]
    return list(dict.fromkeys(one for one in found if one is not None))


def named_datasets(artifacts: Iterable[Artifact]) -> list[tuple[str, str]]:
    """Id and commit of every data set of the Hub that texts came from."""
    named = [
        str(one.get("id", "")).removeprefix(DATASETS)
        for each in artifacts
        for one in each.manifest.identity.get("hub") or ()
    ]
    return list(dict.fromkeys(one for one in map(_at_commit, named) if one is not None))


def model_link(id: str, commit: str, kind: str = "") -> str:
    """A repository of the Hub at a commit; `kind` is "datasets/" for data."""
    return f"[{escaped(id)}]({HUB}{kind}{id}/tree/{commit}) at commit {code(commit[:12])}"


def source_name(name: str) -> str:
    """A file or folder as its study names it; of one outside the data root, only what it is called."""
    path = PurePath(name)
    return path.name if path.is_absolute() or ".." in path.parts or name.startswith("~") else name


def _base_of(run: RunRecords) -> object:
    base = run.artifacts.get("base")
    settings = frozenset((key, repr(value)) for key, value in run.settings.items() if key.startswith("base."))
    return settings if base is None else base.folder


def _at_commit(name: str) -> tuple[str, str] | None:
    id, _, commit = name.partition("@")
    return (id, commit) if is_hub_id(id) and _COMMIT.fullmatch(commit) else None
