"""`RejectionSampling`: many solutions of each problem, of which those stay that are verified."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..steps import Column, output
from .math_answers import final_answer, same_answer
from .recipe import Recipe
from .sandbox import run_code

VERIFIERS = ("math", "code", "exact")
_FORMS = {
    "math": "{problem}\n\nReason step by step, and put the final answer into \\boxed{{}}.",
    "code": "{problem}\n\nWrite the solution as one Python program in a ```python block.",
    "exact": "{problem}",
}
_BLOCK = re.compile(r"```(?:python|py)?[^\n]*\n(.*?)```", re.DOTALL)
_EQUATION = re.compile(r"[\d.]+\s*[-+*/×÷^]\s*[^=\n]*=\s*[-\d.]+")


class RejectionSampling(Recipe):
    """Draw several solutions of each problem, verify them, and keep the right ones that differ.

    Source: Yuan et al. 2023 (arXiv 2308.01825), section 3.3: right solutions of one problem are kept when they come by
    different equations. Code is verified by running it with tests (as Chen et al. 2021, arXiv 2107.03374, section
    2.1), in a sandbox (`recipes/sandbox.py`: it stops accidents, not attackers).

    Args:
        problems: what is to be solved.
        references: what a right solution comes to: an answer for "math" and "exact"; for "code", Python that fails
        when the solution is wrong (asserts), run behind it.
        verify: "math" compares final answers, by SymPy where they are not plainly equal; "code" runs; "exact" compares
            the whole text without blanks around it. Or a function `(problem, solution, reference) -> bool`.
        samples: solutions that are drawn for each problem.
        keep: most right solutions that are kept for each. None: all that differ.
        template: what the model is asked; `{problem}` stands for the problem. None: words that suit `verify`.
        timeout: seconds for a program, or for SymPy.

    Raises:
        InvalidArgumentError: `verify` is not known, `samples` is below 1, or the template has no place for the problem.
    """

    paper: ClassVar[str | None] = """@article{yuan2023scaling,
  title={Scaling Relationship on Learning Mathematical Reasoning with Large Language Models},
  author={Yuan, Zheng and Yuan, Hongyi and Li, Chengpeng and Dong, Guanting and Lu, Keming and Tan, Chuanqi and Zhou,
    Chang and Zhou, Jingren},
  journal={arXiv preprint arXiv:2308.01825},
  year={2023}
}"""

    problems: Column[str]
    references: Column[Any]
    verify: str | Callable[[str, str, Any], bool] = VERIFIERS[0]
    samples: int = 8
    keep: int | None = None
    template: str | None = None
    timeout: float = 10.0
    temperature: float | None = 0.7

    problem: str = output(help="The problem.")
    solution: str = output(help="A solution that was verified.")
    reference: Any = output(help="What it was verified by.")
    pass_rate: float = output(help="Share of all solutions of this problem that were right.")

    origins: ClassVar[dict[str, str]] = {
        "problem": "copied:problems",
        "solution": "generated",
        "reference": "copied:references",
        "pass_rate": "computed",
    }

    def check(self) -> None:
        self.require_at_least("samples", 1, self.samples)
        if isinstance(self.verify, str) and self.verify not in VERIFIERS:
            raise InvalidArgumentError(
                f"Step '{self.name}': verify is 'math', 'code', 'exact' or a function, not {self.verify!r}."
            )
        if self.template is not None and "{problem}" not in self.template:
            raise InvalidArgumentError(
                f"Step '{self.name}': the template has no place {{problem}}: {self.template!r:.80}."
            )

    async def process(self, problems: str, references: Any) -> list[dict[str, Any]]:
        prompt = self._prompt(problems)
        drawn = [await self.ask(prompt, sample=draw) for draw in range(self.samples)]
        right = [text for text in drawn if await asyncio.to_thread(self._right, problems, text, references)]
        different = list({_way(text): text for text in reversed(right)}.values())[::-1]
        share = len(right) / len(drawn)
        return [
            {"problem": problems, "solution": text, "reference": references, "pass_rate": share}
            for text in different[: self.keep]
        ]

    def _prompt(self, problem: str) -> str:
        if self.template is not None:
            return self.template.replace("{problem}", problem)
        kind = self.verify if isinstance(self.verify, str) else "exact"
        return _FORMS[kind].format(problem=problem)

    def _right(self, problem: str, solution: str, reference: Any) -> bool:
        if not isinstance(self.verify, str):
            return bool(self.verify(problem, solution, reference))
        if self.verify == "exact":
            return solution.strip() == str(reference).strip()
        if self.verify == "math":
            answer = final_answer(solution)
            return answer is not None and same_answer(answer, str(reference), self.timeout)
        return run_code(f"{program(solution)}\n\n{reference}\n", timeout=self.timeout).ok


def program(solution: str) -> str:
    """The Python in an answer: the last fenced block, or the whole."""
    blocks = _BLOCK.findall(solution)
    return str(blocks[-1]) if blocks else solution


def _way(solution: str) -> str:
    """What tells two solutions apart: their equations; without any, their words."""
    equations = _EQUATION.findall(solution)
    return re.sub(r"\s+", " ", " | ".join(equations) if equations else solution).strip()
