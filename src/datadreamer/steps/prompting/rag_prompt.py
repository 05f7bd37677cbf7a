"""`RAGPrompt`: every prompt with the documents that fit it best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ...errors import ContextLengthError, DataDreamerError
from ...llms.types import Prompt as ModelPrompt
from ...retrievers.retriever import Retriever
from ..fields import Column, Field, output
from ..rows import Filtered, Loss, Row
from ..step import SuperStep
from ..tasks.retrieve import Retrieve
from .base import PromptStep
from .retrieved import by_position

CITATION = """@inproceedings{guu2020realm,
  title={REALM: Retrieval-Augmented Language Model Pre-Training},
  author={Guu, Kelvin and Lee, Kenton and Tung, Zora and Pasupat, Panupong and Chang, Ming-Wei},
  booktitle={International Conference on Machine Learning},
  pages={3929--3938},
  year={2020}
}"""


class RAGPrompt(PromptStep, SuperStep):
    """Ask a model every prompt of a column, together with the documents of a corpus that fit it best.

    A prompt is the instruction, then the documents, best first, each behind its label, then the prompt behind its
    label. As many documents are shown as the model's context has room for. What was retrieved is a step inside this
    one. Source: arXiv 2002.08909, section 3 (retrieve, then read).

    Args:
        prompts: prompts: what is searched for, and asked.
        retriever: where documents are looked for.
        k: how many documents for each prompt.
        retrieved_text_label, prompt_label: what stands before a document and the prompt.
        sep: what stands between documents; twice before the prompt.
        min_in_context_retrieved_texts: a row is lost when fewer fit into the context; 1 when None.
        max_in_context_retrieved_texts: use no more than these; None for all.
        beg_instruction: what stands at the beginning.
    """

    prompts: Column[str]
    retriever: Retriever
    k: int
    retrieved_text_label: str = "Document:"
    prompt_label: str = "Question:"
    sep: str = "\n"
    min_in_context_retrieved_texts: int | None = None
    max_in_context_retrieved_texts: int | None = None
    beg_instruction: str | None = None
    generations: Any = output(help="The answers.")

    origins: ClassVar[dict[str, str]] = {"prompts": "computed", "generations": "generated"}

    def setup(self) -> None:
        super().setup()
        self.register_output("prompts", help="The prompts with their documents, as they were asked.")
        self.order_outputs("prompts", "generations")
        self.register_data_card("Citation Information", CITATION)

    def check(self) -> None:
        super().check()
        self._declaration.add(Field("rows", "corpus", help="The texts of the retriever."))
        self._inputs["corpus"] = self.retriever.texts

    def card_prompts(self) -> list[tuple[str, str]]:
        own = [("instruction", self.beg_instruction)] if self.beg_instruction is not None else []
        layout = f"{self.retrieved_text_label} {{document}}{self.sep}{self.sep}{self.prompt_label} {{prompts}}"
        return [*own, ("layout", layout), *super().card_prompts()]

    def run(self) -> Iterator[Row | Loss | Filtered]:
        self._retrieved = Retrieve("Retrieve", queries=self.prompts, retriever=self.retriever, k=self.k)
        return super().run()

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        for prompt, results in by_position(self.prompts, self._retrieved):
            if prompt is None or isinstance(results, DataDreamerError):
                yield {"prompts": prompt}, results if isinstance(results, DataDreamerError) else ""
                continue
            whole = self.prompt_for(prompt, results["texts"])
            yield {"prompts": whole}, whole

    def prompt_for(self, prompt: str, documents: list[str]) -> str | DataDreamerError:
        """The prompt with its documents, or why it does not fit the model's context."""
        asked = f"{self.prompt_label} {prompt}"
        try:
            return self.llm.format_prompt(
                max_new_tokens=self.max_new_tokens,
                beg_instruction=None if self.beg_instruction is None else self.beg_instruction + self.sep,
                in_context_examples=[f"{self.retrieved_text_label} {document}" for document in documents],
                end_instruction=self.sep + asked if documents else asked,
                sep=self.sep,
                min_in_context_examples=self.min_in_context_retrieved_texts,
                max_in_context_examples=self.max_in_context_retrieved_texts,
            )
        except ContextLengthError as error:
            return error
