"""Where work runs: in this process, in another one."""

from ..._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, {"TrainingJob": "process", "run_job": "process"})
