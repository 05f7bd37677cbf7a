"""`UltraFeedback`: several models answer, a judge rates every answer, and the best and the worst make a pair."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..llms import LLM
from ..steps import Column, output
from ..steps.prompting.rank_with_prompt import first_number
from ..steps.prompting.unparsed import UnparsedError
from .recipe import Recipe

#: what a judge rates, and what a rating is about
ASPECTS = {
    "instruction following": "Does the answer do what was asked, with every condition that was stated?",
    "truthfulness": "Is what the answer says true, and free of contradictions with itself and with what was asked?",
    "honesty": "Does the answer show how sure it is, and say so where it does not know?",
    "helpfulness": "Is the answer correct, clear, complete, and no longer than it is useful?",
}
#: how a model is told to answer; one is drawn for each answer
PRINCIPLES = {
    "helpfulness": "Be as useful as you can: do all that was asked, and add what the person will need next.",
    "truthfulness": "State only what is true, and leave out what you cannot stand for.",
    "honesty": "Say how sure you are of what you say, and what you do not know.",
    "verbalized calibration": "Behind every claim, give the probability in percent that it is right.",
}
_RATE = (
    "Rate an answer of an AI assistant from 1 (very bad) to 5 (excellent). {about}\n\n"
    "Asked:\n{prompt}\n\nAnswer:\n{answer}\n\nWrite the rating on the first line, as a number, and the reason below it."
)


class UltraFeedback(Recipe):
    """Let several models answer each prompt, rate every answer in several respects, and pair the best and the worst.

    Source: Cui et al. 2023 (arXiv 2310.01377), section 3: for each prompt some models are drawn, each is given a
    principle to answer by, and a judge rates instruction following, truthfulness, honesty and helpfulness. Here each
    answer is rated on its own, so that its rating does not depend on its neighbours. A prompt all of whose answers
    are rated alike gives no pair: it is a filtered row.

    Args:
        prompts: what the models are asked.
        models: that answer.
        llm: the judge.
        answers: how many models are drawn for a prompt; the paper has 4. None: all.
        aspects: what is rated: name to the question that the judge is asked. None: four, `ASPECTS`.
        principles: system prompts to answer by: name to words. None: four, `PRINCIPLES`; an empty dict gives none.

    Raises:
        InvalidArgumentError: there are fewer than two models, or fewer than `answers`.
    """

    paper: ClassVar[str | None] = """@inproceedings{cui2024ultrafeedback,
  title={UltraFeedback: Boosting Language Models with Scaled AI Feedback},
  author={Cui, Ganqu and Yuan, Lifan and Ding, Ning and Yao, Guanming and others},
  booktitle={Proceedings of the 41st International Conference on Machine Learning},
  year={2024},
  url={https://arxiv.org/abs/2310.01377}
}"""

    prompts: Column[str]
    models: list[LLM]
    answers: int | None = None
    aspects: dict[str, str] | None = None
    principles: dict[str, str] | None = None

    prompt: str = output(help="What was asked.")
    chosen: str = output(help="The answer with the highest mean rating.")
    rejected: str = output(help="The answer with the lowest.")
    margin: float = output(help="The difference of their mean ratings.")
    responses: list[dict[str, Any]] = output(help="Every answer, with its model, principle, ratings and their mean.")

    origins: ClassVar[dict[str, str]] = {
        "prompt": "copied:prompts",
        **dict.fromkeys(("chosen", "rejected", "responses"), "generated"),
        "margin": "judged:prompts",
    }

    def check(self) -> None:
        wanted = len(self.models) if self.answers is None else self.answers
        if not 2 <= wanted <= len(self.models):
            raise InvalidArgumentError(
                f"Step '{self.name}': pairs need at least 2 answers, and there are {len(self.models)} models to give "
                f"{wanted}. Give more models, or another number of answers."
            )

    async def process(self, prompts: str) -> Any:
        dice = self.dice(prompts)
        chosen_models = sorted(dice.sample(range(len(self.models)), self.answers or len(self.models)))
        principles = PRINCIPLES if self.principles is None else self.principles
        rated: list[dict[str, Any]] = []
        for number in chosen_models:
            principle = dice.choice(list(principles)) if principles else None
            rated.append(await self._rated(prompts, self.models[number], principle, principles))
        best, worst = max(rated, key=_mean), min(rated, key=_mean)
        if best["mean"] == worst["mean"]:
            return []
        return {
            "prompt": prompts,
            "chosen": best["text"],
            "rejected": worst["text"],
            "margin": best["mean"] - worst["mean"],
            "responses": rated,
        }

    async def _rated(
        self, prompt: str, model: LLM, principle: str | None, principles: dict[str, str]
    ) -> dict[str, Any]:
        system = principles[principle] if principle else None
        text = await self.ask(prompt, llm=model, system=system)
        ratings: list[dict[str, Any]] = []
        for aspect, about in (self.aspects or ASPECTS).items():
            said = await self.ask(_RATE.format(about=about, prompt=prompt, answer=text))
            rating = first_number(said)
            if rating is None:
                raise UnparsedError(f"no rating in the answer of the judge: {said!r:.200}")
            reason = said.partition("\n")[2].strip()
            ratings.append({"aspect": aspect, "rating": float(rating), "reason": reason})
        mean = sum(rating["rating"] for rating in ratings) / len(ratings)
        return {"model": model.display_name, "principle": principle, "text": text, "ratings": ratings, "mean": mean}


def _mean(answer: dict[str, Any]) -> float:
    return float(answer["mean"])
