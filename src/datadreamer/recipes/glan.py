"""`GLAN`: instructions for every field of knowledge, by way of subjects, syllabi and their key concepts."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ..steps import Column, output
from .recipe import Recipe

_SUBJECTS = (
    "You are an expert in education. List the subjects that a student of the discipline below has to learn, at most "
    "{n}, each by its name.\n\nDiscipline: {discipline}"
)
_SYLLABUS = (
    "Design the syllabus of a subject: its class sessions in order, at most {n}, each with a title and its key "
    "concepts.\n\n"
    "Discipline: {discipline}\nSubject: {subject}"
)
_QUESTION = (
    "Write a homework question for a student of the subject below. It must be about these key concepts, need all of "
    "them, and be clear without the syllabus. Give the question alone.\n\n"
    "Discipline: {discipline}\nSubject: {subject}\nClass sessions: {sessions}\nKey concepts: {concepts}"
)


class Session(msgspec.Struct):
    """A class session of a syllabus."""

    title: str
    concepts: list[str]


class GLAN(Recipe):
    """Make instructions for whole disciplines, without seeds: subjects, syllabi, questions about their key concepts.

    Source: Li et al. 2024 (arXiv 2402.13064), section 2: a discipline is divided into subjects (2.2), a syllabus is
    written for each (2.3), and questions are made from one or two sessions and one to five of their concepts, drawn at
    random (2.4). The taxonomy of disciplines (2.1) is the input.

    Args:
        disciplines: names of disciplines.
        subjects: most subjects of a discipline.
        sessions: most class sessions of a subject.
        questions: for each subject.
        answer: whether the model answers them too.

    Raises:
        InvalidArgumentError: a number is below 1.
    """

    paper: ClassVar[str | None] = """@article{li2024synthetic,
  title={Synthetic Data (Almost) from Scratch: Generalized Instruction Tuning for Language Models},
  author={Li, Haoran and Dong, Qingxiu and Tang, Zhengyang and Wang, Chaojun and Zhang, Xingxing and Huang, Haoyang and
    others},
  journal={arXiv preprint arXiv:2402.13064},
  year={2024}
}"""

    disciplines: Column[str]
    subjects: int = 10
    sessions: int = 10
    questions: int = 10
    answer: bool = True
    temperature: float | None = 1.0

    discipline: str = output(help="The discipline.")
    subject: str = output(help="The subject.")
    concepts: list[str] = output(help="The key concepts that the question is about.")
    instruction: str = output(help="The question.")
    response: str | None = output(help="The model's answer; None without `answer`.")

    origins: ClassVar[dict[str, str]] = {
        "discipline": "copied:disciplines",
        **dict.fromkeys(("subject", "concepts", "instruction", "response"), "generated"),
    }

    def check(self) -> None:
        for name in ("subjects", "sessions", "questions"):
            self.require_at_least(name, 1, getattr(self, name))

    async def process(self, disciplines: str) -> list[dict[str, Any]]:
        listed = await self.ask_for(list[str], _SUBJECTS.format(n=self.subjects, discipline=disciplines))
        rows = []
        for subject in dict.fromkeys(name.strip() for name in listed[: self.subjects]):
            form = _SYLLABUS.format(n=self.sessions, discipline=disciplines, subject=subject)
            syllabus = [session for session in await self.ask_for(list[Session], form) if session.concepts]
            for number in range(self.questions if syllabus else 0):
                rows.append(await self._question(disciplines, subject, syllabus[: self.sessions], number))
        return rows

    async def _question(self, discipline: str, subject: str, syllabus: list[Session], number: int) -> dict[str, Any]:
        dice = self.dice(discipline, subject, number)
        sessions = dice.sample(syllabus, min(len(syllabus), dice.choice((1, 2))))
        known = list(dict.fromkeys(concept for session in sessions for concept in session.concepts))
        concepts = dice.sample(known, min(len(known), dice.randint(1, 5)))
        question = await self.ask(
            _QUESTION.format(
                discipline=discipline,
                subject=subject,
                sessions="; ".join(session.title for session in sessions),
                concepts="; ".join(concepts),
            ),
            sample=number,
        )
        response = await self.ask(question, sample=number) if self.answer else None
        return {
            "discipline": discipline,
            "subject": subject,
            "concepts": concepts,
            "instruction": question,
            "response": response,
        }
