"""The rows that new pieces start from, as files: what an initialisation leaves for every training that begins with it.

Files: `rows.safetensors` with `input` [N, D] and, where the head is not tied to the input table, `output` [N, D];
`rows.json` says where the rows go. A base is not copied: rows are small, and put behind its own when it is loaded.

Shapes: N new pieces, V base pieces, D width.
"""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from loanword.model.embeddings import add_rows, input_table, output_table
from loanword.model.initialise import NewPieces, new_rows
from loanword.recipe import InitialisationConfig, Initialiser
from loanword.records import Count, PositiveCount, Record, read_json, write_json

_TENSORS = "rows.safetensors"
_FACTS = "rows.json"


class RowsFacts(Record):
    """Where new rows go: behind so many base pieces, in tables filled up to a multiple of `pad_to_multiple_of`.

    `num_without_neighbours` pieces were too rare for `focus`, and got the mean of their constituents.
    """

    num_base_pieces: PositiveCount
    num_new_pieces: PositiveCount
    pad_to_multiple_of: PositiveCount
    num_without_neighbours: Count = 0


@dataclass(frozen=True)
class NewRows:
    """Rows for new pieces; `output_ND` is None where the head is tied to the input table."""

    facts: RowsFacts
    input_ND: Tensor
    output_ND: Tensor | None

    def save(self, folder: Path) -> None:
        """Writes the rows' files into a folder."""
        tensors = {"input": self.input_ND.contiguous()}
        if self.output_ND is not None:
            tensors["output"] = self.output_ND.contiguous()
        save_file(tensors, folder / _TENSORS)
        write_json(self.facts, folder / _FACTS)


def load_rows(folder: Path) -> NewRows:
    """The rows that `NewRows.save` wrote."""
    tensors = load_file(folder / _TENSORS)
    return NewRows(load_facts(folder), tensors["input"], tensors.get("output"))


def load_facts(folder: Path) -> RowsFacts:
    """Where the rows of a folder go."""
    return read_json(RowsFacts, folder / _FACTS)


def initialised(
    model: PreTrainedModel, num_base_pieces: int, pieces: NewPieces, config: InitialisationConfig, seed: int
) -> NewRows:
    """Rows for new pieces in a model's tables, by the methods that `config` names; the model is not changed."""
    spread = float(getattr(model.config, "initializer_range", None) or 0.02)

    def rows(method: Initialiser, table_VD: Tensor, own_seed: int) -> Tensor:
        base_VD = table_VD.detach()[:num_base_pieces]
        return new_rows(method, base_VD, pieces, own_seed, spread)

    facts = RowsFacts(
        num_base_pieces=num_base_pieces,
        num_new_pieces=len(pieces.constituents),
        pad_to_multiple_of=config.pad_to_multiple_of,
        num_without_neighbours=pieces.num_without_neighbours,
    )
    inputs, outputs = input_table(model), output_table(model)
    # Even and odd: the two tables never share a draw.
    output_ND = None if outputs is inputs else rows(config.output, outputs, 2 * seed + 1)
    return NewRows(facts, rows(config.input, inputs, 2 * seed), output_ND)


def put_behind(model: PreTrainedModel, rows: NewRows) -> None:
    """Gives a model the rows, behind those of its base pieces, which do not change by a bit."""
    add_rows(model, rows.input_ND, rows.output_ND, rows.facts.num_base_pieces, rows.facts.pad_to_multiple_of)
