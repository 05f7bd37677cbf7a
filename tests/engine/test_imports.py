"""What an import costs: the standard library, and nothing else, until something is used."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import datadreamer

ROOMS = sorted(module.name for module in pkgutil.iter_modules(datadreamer.__path__) if module.ispkg)

LOADED = """
import sys
before = set(sys.modules)
import {module}
names = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(names - set(sys.stdlib_module_names) - {{"datadreamer"}}))
"""


def loaded(module: str) -> str:
    """Distributions that an import brings in, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["datadreamer", "datadreamer.errors", *(f"datadreamer.{room}" for room in ROOMS)])
def test_importing_a_room_loads_the_standard_library_only(module: str) -> None:
    assert loaded(module) == ""


def test_every_exported_name_can_be_imported() -> None:
    from importlib import import_module

    for room in ["", *ROOMS]:
        package = import_module(".".join(filter(None, ["datadreamer", room])))
        for name in getattr(package, "__all__", []):
            assert getattr(package, name) is not None, f"{package.__name__}.{name}"
            assert name in dir(package)


def test_type_checkers_see_every_exported_name() -> None:
    for init in Path(datadreamer.__file__).parent.glob("*/__init__.py"):
        text = init.read_text()
        if "TYPE_CHECKING" not in text:
            continue
        package = f"datadreamer.{init.parent.name}"
        exported = __import__(package, fromlist=["__all__"]).__all__
        missing = [name for name in exported if f"{name} as {name}" not in text]
        assert not missing, f"{package} does not show type checkers {missing}"


def test_the_commands_of_the_library_start_without_its_weight() -> None:
    assert "torch" not in loaded("datadreamer.cli.demo") and "pyarrow" not in loaded("datadreamer.__main__")
