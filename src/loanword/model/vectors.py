"""A checkpoint in this process as a SentenceEncoder.

A sentence is read as a document is: BOS, then the ids of the text. Its vector is the mean of the states of its own ids,
or the state of its last one, at every layer: 0 is the embeddings, the last one stands behind the final norm. Vectors
depend on the sentence alone, up to rounding. No more states are held at once than those of one forward pass.

Shapes: L layers and the embeddings, N sentences, B rows, T ids of a row, D width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.load import context_tokens
from loanword.model.reading import reading
from loanword.protocols import Progress, silent
from loanword.tokenizer.interface import Tokenizer

AT_ONCE_STATES = 2**26
"""Numbers in the states of one forward pass, of all layers together: 256 MB in float32. One sentence may need more."""


@dataclass(frozen=True)
class LocalEncoder:
    """A loaded model and its tokenizer; `micro_batch_tokens` bounds the ids of a forward pass."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    micro_batch_tokens: int = 16_384

    def num_cut(self, texts: Sequence[str]) -> int:
        """How many texts are longer than the context: of those only the beginning is read."""
        most = context_tokens(self.model) - 1
        return sum(len(ids) > most for ids in self.tokenizer.encode_batch(texts))

    @reading()
    def vectors(
        self, texts: Sequence[str], pooling: Literal["mean", "last"], progress: Progress = silent
    ) -> NDArray[np.float32]:
        """Vectors of every layer, [L, N, D], in order.

        Raises:
            UserError: a text without any id.
        """
        sentences = self._sentences(texts)
        config = self.model.config.get_text_config()
        vectors_LND = np.empty((config.num_hidden_layers + 1, len(texts), config.hidden_size), dtype=np.float32)
        done = 0
        for places in self._batches([len(ids) for ids in sentences]):
            vectors_LND[:, places] = self._pooled([sentences[place] for place in places], pooling).numpy()
            done += len(places)
            progress(done, len(texts), "sentences")
        return vectors_LND

    def _sentences(self, texts: Sequence[str]) -> list[list[int]]:
        most = context_tokens(self.model) - 1
        encoded = self.tokenizer.encode_batch(texts)
        for number, ids in enumerate(encoded, start=1):
            if not ids:
                raise UserError(
                    f"sentence {number}",
                    "the tokenizer makes no token of it",
                    expected="text",
                    do="remove its line, and those of its translations",
                )
        return [[self.tokenizer.bos_id, *ids[:most]] for ids in encoded]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Places of sentences of like length, longest first: a batch that fails for memory fails at once."""
        config = self.model.config.get_text_config()
        states = AT_ONCE_STATES // ((config.num_hidden_layers + 1) * config.hidden_size)
        budget = min(self.micro_batch_tokens, states)
        order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
        first = 0
        while first < len(order):
            num_rows = max(1, budget // lengths[order[first]])
            yield order[first : first + num_rows]
            first += num_rows

    def _pooled(self, sentences: Sequence[Sequence[int]], pooling: Literal["mean", "last"]) -> Tensor:
        """Vectors of one forward pass, [L, B, D]."""
        lengths_B = torch.tensor([len(ids) for ids in sentences])
        ids_BT = torch.zeros(len(sentences), int(lengths_B.max()), dtype=torch.long)
        for row, ids in enumerate(sentences):
            ids_BT[row, : len(ids)] = torch.tensor(ids)
        places_T = torch.arange(ids_BT.shape[1])
        own_BT = (places_T > 0) & (places_T < lengths_B[:, None])
        if pooling == "last":
            own_BT &= places_T == lengths_B[:, None] - 1
        weights_BT = (own_BT / own_BT.sum(-1, keepdim=True)).to(self.model.device)
        # Padding stands behind everything that is counted, so causal attention needs no mask.
        read = self.model.base_model(ids_BT.to(self.model.device), use_cache=False, output_hidden_states=True)
        pooled = [torch.einsum("btd,bt->bd", states_BTD.float(), weights_BT) for states_BTD in read.hidden_states]
        return torch.stack(pooled).cpu()
