"""Declared pieces of work that give a model: one small file each, thin over the libraries that train."""

from __future__ import annotations

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "TrainHFClassifier": "train_hf_classifier",
        "TrainHFDPO": "train_hf_dpo",
        "TrainHFFineTune": "train_hf_finetune",
        "TrainHFRewardModel": "train_hf_reward_model",
        "TrainOpenAIFineTune": "train_openai_finetune",
        "Trainer": "trainer",
        "TrainingPlan": "plan",
        "TrainingResult": "plan",
    },
)
