"""Published methods of making data, each a small step over the steps and models of this library."""

from __future__ import annotations

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "ConstitutionalAI": "constitutional_ai",
        "EvolInstruct": "evol_instruct",
        "GLAN": "glan",
        "Genstruct": "genstruct",
        "InstructionBacktranslation": "instruction_backtranslation",
        "Magpie": "magpie",
        "MultiTurnChat": "multi_turn_chat",
        "PersonaDriven": "persona_driven",
        "PersonasFromTexts": "persona_driven",
        "RAFT": "raft",
        "Recipe": "recipe",
        "RejectionSampling": "rejection_sampling",
        "SelfInstruct": "self_instruct",
        "SelfRewardingPairs": "self_rewarding_pairs",
        "ToolConversations": "tool_conversations",
        "UltraFeedback": "ultra_feedback",
        "run_code": "sandbox",
    },
)
