"""Several models that answer as one, each taking the next prompt when it has room."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from .. import identity
from ..errors import InvalidArgumentError, InvalidTypeError
from .engine.stealing import Crew
from .facts import UNKNOWN, ModelFacts
from .llm import LLM
from .types import Request


class ParallelLLM(LLM):
    """Asks several models at once, hosted and local ones alike. Answers come in the order of the prompts.

    A prompt belongs to no model until one has room for it, so a faster model answers more. A model that cannot go on
    (wrong key, server gone, a fault of its device) is set aside with a warning, and its prompts go to the others;
    a model whose server could not be reached is tried again after a minute. A rate limit holds up one model alone. The
    call fails only when no model is left.

    Copies of one model (equal `spec()`: for example one per GPU) have the identity of that model, however many they
    are: what one of them was asked before is remembered. Different models have an identity together, whatever their
    order and number; the record of each answer says who gave it (docs/design/parallel.md).

    Args:
        *llms: at least one model.

    `run()` takes the parameters that all of them take; `batch_size` is for each of them.

    Raises:
        InvalidArgumentError: no model was given.
    """

    provider = "parallel"

    def __init__(self, *llms: LLM) -> None:
        if not llms:
            raise InvalidArgumentError("ParallelLLM needs at least one model: ParallelLLM(OpenAI(…), OpenAI(…)).")
        for llm in llms:
            if not isinstance(llm, LLM):
                raise InvalidTypeError(
                    f"ParallelLLM takes models, not {llm!r:.80}. For a list of them: ParallelLLM(*llms)."
                )
        members = [one for llm in llms for one in (llm.members or (llm,))]  # teams within teams are one team
        super().__init__(next((one.cache_folder_path for one in members if one.cache_folder_path is not None), None))
        self.llms = llms
        self.members = tuple(members)
        self.system_prompt = _common([one.system_prompt for one in members])
        self.chat_prompt_template = _common([one.chat_prompt_template for one in members])
        self.extra_parameters = frozenset.intersection(*(frozenset(one.extra_parameters) for one in members))
        self.refused_parameters = {name: why for one in members for name, why in one.refused_parameters.items()}
        dialects = [one.output_dialect for one in members]
        self.output_dialect = dialects[0] if all(one == dialects[0] for one in dialects) else None
        self._live_clear()

    def _live_clear(self) -> None:
        self._live_team: Any = None
        self._live_unfit: dict[int, Exception] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._live_clear()

    # --- asking -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise if none of the models could be asked."""
        crew = Crew(self.display_name, [one.display_name for one in self.members])
        for place, one in enumerate(self.members):
            try:
                one.check()
            except Exception as error:  # whatever it is, the others may still answer
                crew.aside[place] = error
        self._live_unfit = {place: error for place, error in crew.aside.items() if isinstance(error, Exception)}
        if not crew.working:
            raise crew.error()

    @property
    def unfit(self) -> dict[int, Exception]:
        """The models that `check()` refused, by position in `members`, with its errors."""
        return self._live_unfit

    def request_for(self, member: LLM, request: Request) -> Request:
        """`request` as `member` is asked: with its own system prompt, where the models have different ones."""
        if request.system is None and member.system_prompt is not None and self.system_prompt is None:
            return replace(request, system=member.system_prompt)
        return request

    def unload_model(self) -> None:
        for one in self.members:
            one.unload_model()

    # --- identity ---------------------------------------------------------------------------------------------------

    @property
    def copies(self) -> bool:
        """Whether all models are the same."""
        return len(self._specs()) == 1

    def spec(self) -> dict[str, Any]:
        """The one model's, where all are the same; else the set of theirs."""
        specs = self._specs()
        return specs[0] if len(specs) == 1 else {**super().spec(), "any_of": specs}

    def request_spec(self) -> dict[str, Any]:
        return self.members[0].request_spec() if self.copies else super().request_spec()

    def _specs(self) -> list[dict[str, Any]]:
        """The different specs, in an order that does not depend on that of the models."""
        return [spec for _, spec in sorted({identity.encode(one.spec()): one.spec() for one in self.members}.items())]

    # --- length -----------------------------------------------------------------------------------------------------

    def count_tokens(self, value: str) -> int:
        """The most that any of the models counts."""
        return max(one.count_tokens(value) for one in self._tokenizers())

    def final_count_tokens(self, value: str) -> int:
        return max(one.final_count_tokens(value) for one in self._tokenizers())

    def _tokenizers(self) -> tuple[LLM, ...]:
        return self.members[:1] if self.copies else self.members

    def _prompt_room(self, max_new_tokens: int) -> int | None:
        """What fits all of them, as far as it is known."""
        rooms = [one._prompt_room(max_new_tokens) for one in self._tokenizers()]
        return min((room for room in rooms if room is not None), default=None)

    def _context_length(self) -> int | None:
        return min((length for one in self.members if (length := one._context_length()) is not None), default=None)

    def _get_max_output_length(self) -> int | None:
        lengths = [one._get_max_output_length() for one in self.members]
        return min((length for length in lengths if length is not None), default=None)

    # --- about the models -------------------------------------------------------------------------------------------

    @property
    def model_facts(self) -> ModelFacts:
        return self.members[0].model_facts if self.copies else UNKNOWN

    @property
    def model_card(self) -> str | None:
        return self.members[0].model_card if self.copies else None

    @property
    def license(self) -> str | None:
        return self.members[0].license if self.copies else None

    @property
    def citation(self) -> list[str] | None:
        entries = [entry for one in self.members for entry in one.citation or []]
        return list(dict.fromkeys(entries)) or None

    @property
    def display_name(self) -> str:
        names = [one.display_name for one in self.members]
        counted = [f"{name} × {names.count(name)}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
        return f"{type(self).__name__} ({', '.join(counted)})"


def _common(values: list[str | None]) -> str | None:
    return values[0] if len(set(values)) == 1 else None
