"""`ToolConversations`: conversations in which an assistant calls tools, with every call checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from ..errors import InvalidArgumentError
from ..llms import LLM
from ..steps import Column, output
from ..steps.prompting.unparsed import UnparsedError
from .recipe import Recipe

_REQUEST = (
    "Write what this person says to an AI assistant, in a sentence or two. To do it, the assistant has to use all of "
    "the tools below, and everything that the tools need to know is in what the person says. The tools are not "
    "named.\n\n"
    "The person: {scenario}\n\nTools:\n{tools}\n\nGive the person's words alone."
)
_CALLS = (
    "You are an AI assistant with tools. Which calls, with which arguments, does this request need? Use what the "
    "person said, and invent nothing.\n\nTools:\n{tools}\n\nRequest: {request}"
)
_RESULT = (
    "You play a tool that a program calls. Give back what it would return for this call, as JSON, plausible and "
    "short.\n\n"
    "Tool:\n{tool}\n\nArguments:\n{arguments}\n\nGive the JSON alone."
)
_ANSWER = (
    "You are an AI assistant. You called tools for a person, and these are the results. Answer the person by them, in "
    "a few sentences.\n\nRequest: {request}\n\nCalls and results:\n{results}"
)
_CHECK = (
    "Somebody asked an assistant, which called tools and answered. Do the calls fit the request, with arguments that "
    "the person gave, and does the answer follow from the results? Answer with Yes or No.\n\n"
    "Request: {request}\n\nCalls and results:\n{results}\n\nAnswer: {answer}"
)


class ToolCall(msgspec.Struct):
    """A call of a tool."""

    name: str
    arguments: dict[str, Any]


class ToolConversations(Recipe):
    """Make conversations in which an assistant calls tools: request, calls, results, answer.

    Source: Liu et al. 2024, APIGen (arXiv 2406.18518), section 3: tools are drawn at random, and what comes out is
    checked in three stages. Calls must name a tool and fit its schema (format; otherwise the row is lost), results
    come from the functions that were given, or are played by the model (execution), and a judge compares request,
    calls and answer (meaning; what does not fit is a filtered row).

    Args:
        scenarios: who asks, and about what.
        tools: what can be called, as functions are described to OpenAI: `{"name", "description", "parameters": JSON
            Schema}`, bare or below "function".
        functions: name to a function that really does it. What is not here is played by the model.
        max_tools: most tools that a request needs.
        judge: the model that checks. None: `llm`.
        verify: whether the third check is made.

    Raises:
        InvalidArgumentError: a tool has no name or no schema, or a function no tool.
    """

    paper: ClassVar[str | None] = """@inproceedings{liu2024apigen,
  title={APIGen: Automated PIpeline for Generating Verifiable and Diverse Function-Calling Datasets},
  author={Liu, Zuxin and Hoang, Thai and Zhang, Jianguo and Zhu, Ming and Lan, Tian and others},
  booktitle={Advances in Neural Information Processing Systems},
  volume={37},
  year={2024},
  url={https://arxiv.org/abs/2406.18518}
}"""

    scenarios: Column[str]
    tools: list[dict[str, Any]]
    functions: dict[str, Any] | None = None
    max_tools: int = 2
    judge: LLM | None = None
    verify: bool = True

    scenario: str = output(help="Who asks, and about what.")
    messages: str = output(help="The conversation in OpenAI's format, as JSON: user, tool calls, results, answer.")
    tools_offered: str = output(help="The tools that were drawn, as JSON.")
    calls: list[str] = output(help="The calls, each as JSON.")

    origins: ClassVar[dict[str, str]] = {
        "scenario": "copied:scenarios",
        "messages": "generated",
        "tools_offered": "computed",
        "calls": "generated",
    }

    def check(self) -> None:
        self.require_at_least("max_tools", 1, self.max_tools)
        known = {}
        for tool in self.tools:
            inner = tool.get("function", tool)
            if not isinstance(inner.get("name"), str) or not isinstance(inner.get("parameters"), Mapping):
                raise InvalidArgumentError(
                    f"Step '{self.name}': a tool is {{'name': ..., 'description': ..., 'parameters': JSON Schema}}, "
                    f"not {tool!r:.120}."
                )
            known[inner["name"]] = dict(inner)
        if not known:
            raise InvalidArgumentError(f"Step '{self.name}': there are no tools.")
        for name in self.functions or {}:
            if name not in known:
                raise InvalidArgumentError(
                    f"Step '{self.name}': there is a function '{name}', and no tool of that name."
                )
        self._known = known

    async def process(self, scenarios: str) -> Any:
        dice = self.dice(scenarios)
        names = dice.sample(sorted(self._known), min(len(self._known), dice.randint(1, self.max_tools)))
        offered = [self._known[name] for name in names]
        shown = json.dumps(offered, ensure_ascii=False, indent=1)
        request = await self.ask(_REQUEST.format(scenario=scenarios, tools=shown))
        calls: list[ToolCall] = await self.ask_for(list[ToolCall], _CALLS.format(tools=shown, request=request))
        self._check_calls(calls, names)
        results = [await self._returned(call) for call in calls]
        told = "\n".join(
            f"{call.name}({_as_json(call.arguments)}) -> {result}" for call, result in zip(calls, results, strict=True)
        )
        answer = await self.ask(_ANSWER.format(request=request, results=told))
        if self.verify:
            form = _CHECK.format(request=request, results=told, answer=answer)
            verdict = await self.ask(form, llm=self.judge)
            if not verdict.lower().lstrip(" *'\"").startswith("yes"):
                return []
        return {
            "scenario": scenarios,
            "messages": _as_json(_messages(request, calls, results, answer)),
            "tools_offered": _as_json([{"type": "function", "function": tool} for tool in offered]),
            "calls": [_as_json({"name": call.name, "arguments": call.arguments}) for call in calls],
        }

    def _check_calls(self, calls: list[ToolCall], offered: list[str]) -> None:
        import jsonschema

        if not calls:
            raise UnparsedError("the assistant called no tool")
        for call in calls:
            if call.name not in offered:
                raise UnparsedError(f"the assistant called '{call.name}', which was not offered")
            try:
                jsonschema.validate(call.arguments, self._known[call.name]["parameters"])
            except jsonschema.ValidationError as error:
                raise UnparsedError(f"the arguments of '{call.name}' do not fit its schema: {error.message}") from error

    async def _returned(self, call: ToolCall) -> str:
        function = (self.functions or {}).get(call.name)
        if function is not None:
            return _as_json(function(**call.arguments))
        tool = _as_json(self._known[call.name])
        arguments = _as_json(call.arguments)
        return await self.ask(_RESULT.format(tool=tool, arguments=arguments))


def _messages(request: str, calls: list[ToolCall], results: list[str], answer: str) -> list[dict[str, Any]]:
    made = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": _as_json(call.arguments)},
        }
        for number, call in enumerate(calls)
    ]
    given = [
        {"role": "tool", "tool_call_id": f"call_{number}", "content": result} for number, result in enumerate(results)
    ]
    return [
        {"role": "user", "content": request},
        {"role": "assistant", "content": None, "tool_calls": made},
        *given,
        {"role": "assistant", "content": answer},
    ]


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
