"""`MultiTurnChat`: two models talk, one as a person and one as the assistant."""

from __future__ import annotations

from typing import Any, ClassVar

from ..llms import LLM
from ..steps import Column, output
from .recipe import Recipe

USER = (
    "You play a person who talks with an AI assistant. This is what the talk is about: {topic}\n\n"
    "Write this person's next message: natural, in the first person, in a sentence or two; a question about what was "
    "said, a further wish, or more of the story. Give the message alone. When the person has all they wanted, write "
    "[END]."
)
_END = "[END]"


class MultiTurnChat(Recipe):
    """Let one model play a person and another the assistant, for several turns, about a given topic.

    Source: Xu et al. 2023 (arXiv 2304.01196), section 3 (self-chat), with a request for each turn instead of one for a
    whole transcript, so that the two sides can be different models.

    Args:
        topics: what a conversation is about, or the question it begins with.
        user: the model that plays the person. None: `llm`, which is the assistant.
        turns: most pairs of message and answer.
        opens_with_topic: take the topic itself as the person's first message.
        user_prompt: how the person is described; `{topic}` stands for the topic.
        system: system prompt of the assistant. None: the model's own.

    Raises:
        InvalidArgumentError: `turns` is below 1.
    """

    paper: ClassVar[str | None] = """@inproceedings{xu2023baize,
  title={Baize: An Open-Source Chat Model with Parameter-Efficient Tuning on Self-Chat Data},
  author={Xu, Canwen and Guo, Daya and Duan, Nan and McAuley, Julian},
  booktitle={Proceedings of the 2023 Conference on Empirical Methods in Natural Language Processing},
  year={2023},
  url={https://arxiv.org/abs/2304.01196}
}"""

    topics: Column[str]
    user: LLM | None = None
    turns: int = 3
    opens_with_topic: bool = False
    user_prompt: str = USER
    system: str | None = None

    topic: str = output(help="The topic.")
    messages: list[dict[str, str]] = output(help="The conversation: role and content of each message.")
    ended: bool = output(help="Whether the person ended it before the turns were used up.")

    origins: ClassVar[dict[str, str]] = {"topic": "copied:topics", "messages": "generated", "ended": "computed"}

    def check(self) -> None:
        self.require_at_least("turns", 1, self.turns)

    async def process(self, topics: str) -> dict[str, Any]:
        messages: list[dict[str, str]] = []
        ended = False
        for turn in range(self.turns):
            said = topics if turn == 0 and self.opens_with_topic else await self._person(topics, messages)
            ended = bool(messages) and _END in said
            if ended:
                break
            messages.append({"role": "user", "content": said.replace(_END, "").strip() or topics})
            messages.append({"role": "assistant", "content": await self.ask(list(messages), system=self.system)})
        return {"topic": topics, "messages": messages, "ended": ended}

    async def _person(self, topic: str, messages: list[dict[str, str]]) -> str:
        so_far = "\n\n".join(f"{_WHO[message['role']]}: {message['content']}" for message in messages)
        prompt = self.user_prompt.replace("{topic}", topic)
        return await self.ask(f"{prompt}\n\nThe talk so far:\n\n{so_far or '(nothing yet)'}", llm=self.user)


_WHO = {"user": "Person", "assistant": "Assistant"}
