"""`SelfRewardingPairs`: a model answers several times and judges its own answers."""

from __future__ import annotations

from typing import Any, ClassVar

from ..llms import LLM
from ..steps import Column, output
from ..steps.prompting.rank_with_prompt import first_number
from .recipe import Recipe

_JUDGE = (
    "Judge an answer of an AI assistant by giving points, up to five:\n"
    "one if it is about what was asked and says something useful, even if incomplete;\n"
    "one more if it deals with most of what was asked;\n"
    "one more if it answers the heart of it in a useful way;\n"
    "one more if it is written as an assistant should, clear, complete and well ordered;\n"
    "one more if it is excellent: fitting, expert, nothing beside the point.\n\n"
    "Asked:\n{prompt}\n\nAnswer:\n{answer}\n\n"
    "Give the reasons in at most a hundred words, then on a line of its own: 'Score: ' and the points."
)


class SelfRewardingPairs(Recipe):
    """Let a model answer a prompt several times, score its own answers, and pair the best with the worst.

    Source: Yuan et al. 2024 (arXiv 2401.10020), section 2.3: four answers, each judged by points up to five, the mean
    of several judgements as its score. Prompts whose answers all score alike give no pair: filtered rows. Train on the
    pairs with `TrainHFDPO`, and use the trained model for the next round (`examples/workflows/self_rewarding.py`).

    Args:
        prompts: what the model is asked.
        judge: another model that judges. None: the model itself, as in the paper.
        answers: for each prompt; the paper has 4.
        judgements: of each answer; the paper has 3. The ones without a score are left out.

    Raises:
        InvalidArgumentError: there are fewer than 2 answers, or no judgement.
    """

    paper: ClassVar[str | None] = """@inproceedings{yuan2024selfrewarding,
  title={Self-Rewarding Language Models},
  author={Yuan, Weizhe and Pang, Richard Yuanzhe and Cho, Kyunghyun and Li, Xian and Sukhbaatar, Sainbayar and Xu, Jing
    and Weston, Jason},
  booktitle={Proceedings of the 41st International Conference on Machine Learning},
  year={2024},
  url={https://arxiv.org/abs/2401.10020}
}"""

    prompts: Column[str]
    judge: LLM | None = None
    answers: int = 4
    judgements: int = 3
    temperature: float | None = 0.7

    prompt: str = output(help="What was asked.")
    chosen: str = output(help="The answer with the highest score.")
    rejected: str = output(help="The answer with the lowest.")
    scores: list[float | None] = output(help="The score of every answer; None where no judgement had one.")
    candidates: list[str] = output(help="Every answer.")

    origins: ClassVar[dict[str, str]] = {
        "prompt": "copied:prompts",
        **dict.fromkeys(("chosen", "rejected", "candidates"), "generated"),
        "scores": "judged:prompts",
    }

    def check(self) -> None:
        self.require_at_least("answers", 2, self.answers)
        self.require_at_least("judgements", 1, self.judgements)

    async def process(self, prompts: str) -> Any:
        candidates = [await self.ask(prompts, sample=draw) for draw in range(self.answers)]
        scores = [await self._score(prompts, answer) for answer in candidates]
        judged = [(score, answer) for score, answer in zip(scores, candidates, strict=True) if score is not None]
        if not judged:
            return []
        best, worst = max(judged, key=_score_of), min(judged, key=_score_of)
        if best[0] == worst[0]:
            return []
        return {
            "prompt": prompts,
            "chosen": best[1],
            "rejected": worst[1],
            "scores": scores,
            "candidates": candidates,
        }

    async def _score(self, prompt: str, answer: str) -> float | None:
        form = _JUDGE.format(prompt=prompt, answer=answer)
        said = [await self.ask(form, sample=draw, llm=self.judge) for draw in range(self.judgements)]
        points = [first_number(text.rpartition("Score:")[2]) for text in said if "Score:" in text]
        valid = [point for point in points if point is not None and 0 <= point <= 5]
        return sum(valid) / len(valid) if valid else None


def _score_of(judged: tuple[float, str]) -> float:
    return judged[0]
