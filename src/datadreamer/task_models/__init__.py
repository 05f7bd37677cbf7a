"""Models for one task, such as classification: ask them, in order, with every result remembered."""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "FakeTaskModel": "fake_task_model",
        "HFClassificationTaskModel": "hf_classification_task_model",
        "ParallelTaskModel": "parallel_task_model",
        "TaskModel": "task_model",
    },
)
