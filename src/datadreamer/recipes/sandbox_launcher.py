"""What a sandboxed process runs first: it limits itself, then becomes the code. Knows nothing of the library."""

from __future__ import annotations

import json
import pathlib
import sys


def limit(limits: dict[str, float]) -> None:
    """Take away what the code may not have. What a system does not know is left."""
    try:
        import resource
    except ImportError:  # not on Windows: there, only the clock and the empty environment hold
        return
    seconds = max(1, int(limits["seconds"] + 0.999))
    wanted = {
        "RLIMIT_CPU": (seconds, seconds + 1),
        "RLIMIT_AS": (int(limits["memory"]),) * 2,
        "RLIMIT_FSIZE": (int(limits["file"]),) * 2,
        "RLIMIT_NOFILE": (64, 64),
        "RLIMIT_CORE": (0, 0),
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        try:
            resource.setrlimit(kind, value)
        except (ValueError, OSError):
            pass  # stricter already, or not allowed here


def without_network() -> None:
    """A network of its own, with nothing in it, where Linux lets an ordinary process have one."""
    if sys.platform != "linux":
        return
    import ctypes

    new_user, new_network = 0x10000000, 0x40000000
    try:
        ctypes.CDLL(None, use_errno=True).unshare(new_user | new_network)
    except (OSError, AttributeError):
        pass


def main() -> None:
    path, limits = sys.argv[1], json.loads(sys.argv[2])
    without_network()
    source = pathlib.Path(path).read_text(encoding="utf-8", errors="surrogatepass")
    sys.argv = ["code.py"]
    limit(limits)
    names = {"__name__": "__main__", "__builtins__": __builtins__}
    exec(compile(source, "code.py", "exec"), names)


if __name__ == "__main__":
    main()
