"""`RAFT`: questions about documents, answered among distractors, for models that read what is retrieved."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..steps import Column, output
from .recipe import Recipe

_QUESTIONS = (
    "Write {n} different questions that the document below answers, as a person would ask who has not seen it. A "
    "question must make sense without the document."
)
_ANSWER = (
    "Answer the question by the document. First reason step by step; where you cite the document, put its words "
    "between ##begin_quote## and ##end_quote##. End with the line '<ANSWER>: ' and the short answer."
)


class RAFT(Recipe):
    """Make questions about documents, answers with reasoning and quotes, and contexts with distractors.

    Source: Zhang et al. 2024 (arXiv 2403.10131), section 3: for a share of the questions the document that answers is
    among the documents of the context, for the rest it is not; the others are distractors. The answer is always written
    from the document.

    Args:
        documents: the documents, or chunks of them. Distractors are drawn from the same column.
        questions: for each document.
        distractors: other documents in a context; the paper has 4.
        oracle_share: share of the questions, from 0 to 1, whose context has the document that answers; the paper
            has 0.8.

    Raises:
        InvalidArgumentError: a number is out of its range, or there are too few documents.
    """

    paper: ClassVar[str | None] = """@article{zhang2024raft,
  title={RAFT: Adapting Language Model to Domain Specific RAG},
  author={Zhang, Tianjun and Patil, Shishir G and Jain, Naman and Shen, Sheng and Zaharia, Matei and Stoica, Ion and
    Gonzalez, Joseph E},
  journal={arXiv preprint arXiv:2403.10131},
  year={2024}
}"""

    documents: Column[str]
    questions: int = 3
    distractors: int = 4
    oracle_share: float = 0.8

    question: str = output(help="A question.")
    context: list[str] = output(help="The documents that are shown with it, in random order.")
    has_oracle: bool = output(help="Whether the document that answers is among them.")
    oracle: str = output(help="The document that answers.")
    reasoning: str = output(help="The answer with its reasoning and quotes.")
    answer: str = output(help="The short answer.")

    origins: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("question", "reasoning", "answer"), "generated"),
        "oracle": "copied:documents",
        "context": "copied:documents",
        "has_oracle": "computed",
    }

    def check(self) -> None:
        self.require_at_least("questions", 1, self.questions)
        self.require_at_least("distractors", 0, self.distractors)
        if not 0 <= self.oracle_share <= 1:
            raise InvalidArgumentError(
                f"Step '{self.name}': oracle_share is a share from 0 to 1, not {self.oracle_share}."
            )
        known = getattr(self.inputs["documents"], "num_rows", None)
        if known is not None and known <= self.distractors:
            raise InvalidArgumentError(
                f"Step '{self.name}': {self.distractors} distractors need more than {self.distractors} documents, and "
                f"there are {known}."
            )

    async def process(self, documents: str) -> list[dict[str, Any]]:
        asked = await self.ask_for(list[str], f"{_QUESTIONS.format(n=self.questions)}\n\nDocument:\n{documents}")
        rows = []
        for question in dict.fromkeys(question.strip() for question in asked[: self.questions]):
            reasoning = await self.ask(f"{_ANSWER}\n\nDocument:\n{documents}\n\nQuestion: {question}")
            context, has_oracle = self._context(documents, question)
            row = {"question": question, "context": context, "has_oracle": has_oracle, "oracle": documents}
            rows.append({**row, "reasoning": reasoning, "answer": _short(reasoning)})
        return rows

    def _context(self, document: str, question: str) -> tuple[list[str], bool]:
        dice = self.dice(document, question)
        has_oracle = dice.random() < self.oracle_share
        context = self._others(document, dice, self.distractors + (not has_oracle))
        if has_oracle:
            context.append(document)
        dice.shuffle(context)
        return context, has_oracle

    def _others(self, document: str, dice: Random, wanted: int) -> list[str]:
        """Other documents, drawn without reading the whole column; fewer where most are equal to this one."""
        column = self.inputs["documents"]
        numbers = dice.sample(range(column.num_rows), min(column.num_rows, 2 * wanted + 8))
        found: list[str] = []
        for number in numbers:
            other = column[number]
            if other != document and len(found) < wanted:
                found.append(other)
        return found


def _short(reasoning: str) -> str:
    """What stands behind the mark of the short answer; the whole where there is none."""
    return reasoning.rpartition("<ANSWER>:")[2].strip()
