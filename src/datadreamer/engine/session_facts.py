"""What a session knows about itself: its script, the commit it stands at, the one redactor for all it writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from ..cards import SessionInfo


@cache
def redactor() -> Any:
    """Takes secrets and home paths out of everything before it is written."""
    from ..ledger import Redactor

    return Redactor.default()


def session_info() -> SessionInfo:
    """The session that starts now."""
    return SessionInfo(id=uuid.uuid4().hex[:16], started=time.time(), script=_script())


def _script() -> str | None:
    """How the running script is called, without its folder; None in a notebook or a REPL."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if not path:
        return None
    name = os.path.basename(path)  # noqa: PTH119 - a name, never opened
    module = getattr(getattr(main, "__spec__", None), "name", "").removesuffix(".__main__")
    if "datadreamer" in (module, name.removesuffix(".exe")):  # the command: `datadreamer demo`
        return " ".join(["datadreamer", *sys.argv[1:2]])
    return f"python -m {module}" if module else name


def git_state() -> tuple[str | None, bool | None]:
    """Commit and whether files differ from it, for the folder of the script; (None, None) outside a repository."""
    main = sys.modules.get("__main__")
    script = Path(getattr(main, "__file__", None) or ".").resolve()
    folder = script if script.is_dir() else script.parent
    try:
        if script.is_file():
            _git(folder, "ls-files", "--error-unmatch", script.name)  # a script that git does not have has no commit
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()
