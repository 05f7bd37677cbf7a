"""`FewShotPromptWithRetrieval`: for every value of a column, the examples that are most like it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...embedders.embedder import Embedder
from ...errors import DataDreamerError
from ...llms.types import Prompt as ModelPrompt
from ...retrievers.embedding_retriever import EmbeddingRetriever
from ..rows import Filtered, Loss, Row
from ..step import SuperStep
from ..tasks.retrieve import Retrieve
from .few_shot_prompt import FewShotPrompt
from .retrieved import by_position

CITATION = """@inproceedings{shi2022nearest,
  title={Nearest Neighbor Zero-Shot Inference},
  author={Shi, Weijia and Michael, Julian and Gururangan, Suchin and Zettlemoyer, Luke},
  booktitle={Proceedings of the 2022 Conference on Empirical Methods in Natural Language Processing},
  pages={3254--3265},
  year={2022}
}"""


class FewShotPromptWithRetrieval(FewShotPrompt, SuperStep):
    """Show a model the pairs whose inputs are most like a value, and ask for the output of the value.

    A prompt is that of `FewShotPrompt`, with the `k` nearest examples, the most alike first, so that it is the others
    that are left out where the context has no room. What was retrieved is a step inside this one. Source: Shi et al.
    2022 (kNN-Prompt), section 3.

    Args:
        embedder: for values and example inputs.
        k: how many examples for each value.
        truncate: cut values and example inputs that are longer than the embedder takes, when they are embedded.
        diversity: 0 to 1: among four times as many candidates, examples that are not all alike (maximal marginal
            relevance). None: the nearest.
    """

    embedder: Embedder
    k: int
    truncate: bool = False
    diversity: float | None = None

    def setup(self) -> None:
        super().setup()
        self.register_data_card("Citation Information", CITATION)

    def run(self) -> Iterator[Row | Loss | Filtered]:
        retriever = EmbeddingRetriever(self.input_examples, self.embedder, truncate=self.truncate)
        further = {} if self.diversity is None else {"diversity": self.diversity}
        self._retrieved = Retrieve(
            "Retrieve",
            queries=self.inputs,  # type: ignore[arg-type]
            retriever=retriever,
            k=self.k,
            args=further,
        )
        return super().run()

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        outputs = _Outputs(self.output_examples)
        for value, results in by_position(self.inputs, self._retrieved):
            if value is None or isinstance(results, DataDreamerError):
                yield {"inputs": value, "prompts": None}, results if isinstance(results, DataDreamerError) else ""
                continue
            pairs = zip(results["texts"], outputs.at(results["indices"]), strict=True)
            examples = [
                f"{self.input_label} {question}{self.sep}{self.output_label} {answer}" for question, answer in pairs
            ]
            prompt = self.prompt_for(value, examples)
            yield {"inputs": value, "prompts": prompt}, prompt


class _Outputs:
    """The outputs of examples, by position."""

    def __init__(self, outputs: Any) -> None:
        self._rows = getattr(outputs, "rows", None)
        if not hasattr(self._rows, "gather"):
            self._rows, self._values = None, list(outputs)

    def at(self, places: list[int]) -> list[Any]:
        """The outputs at these positions."""
        if self._rows is None:
            return [self._values[place] for place in places]
        found: list[Any] = self._rows.to_lists(self._rows.gather(places))[0]
        return found
