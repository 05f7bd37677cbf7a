import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from datadreamer.cards import capture_environment
from datadreamer.cards.environment import environment_digest, imported_distributions


def install(folder: Path, *names: str) -> str:
    for name in names:
        (folder / f"{name}.dist-info").mkdir(parents=True)
    return str(folder)


def test_only_distributions_that_are_imported_are_listed(tmp_path):
    folder = install(tmp_path, "numpy-2.4.6", "torch-2.13.0+cpu", "never_imported-1.0")
    assert imported_distributions([folder], {"numpy", "torch", "os"}) == {"numpy": "2.4.6", "torch": "2.13.0+cpu"}


@pytest.mark.parametrize(
    ("entry", "module", "name"),
    [
        ("PyYAML-6.0.3", "yaml", "PyYAML"),
        ("scikit_learn-1.5.0", "sklearn", "scikit-learn"),
        ("typing_extensions-4.16.0", "typing_extensions", "typing-extensions"),
        ("huggingface_hub-2.4.0", "huggingface_hub", "huggingface-hub"),
        ("Jinja2-3.1.6", "jinja2", "Jinja2"),
        ("protobuf-6.0", "google.protobuf", "protobuf"),
    ],
)
def test_distributions_are_found_by_their_module(tmp_path, entry, module, name):
    assert list(imported_distributions([install(tmp_path, entry)], {module})) == [name]


def test_the_first_folder_on_the_path_wins_as_it_does_for_imports(tmp_path):
    first, second = install(tmp_path / "a", "numpy-1.0"), install(tmp_path / "b", "numpy-2.0")
    assert imported_distributions([first, second, str(tmp_path / "gone")], {"numpy"}) == {"numpy": "1.0"}


def test_the_environment_names_what_is_imported_here():
    info = capture_environment()
    assert info.distributions["msgspec"] == msgspec.__version__
    assert info.python == platform.python_version()
    assert info.digest.startswith("dde1:")


def test_the_digest_follows_every_part_but_itself():
    info = capture_environment()
    changed = msgspec.structs.replace(info, distributions=info.distributions | {"torch": "0.0.1"}, digest="dde1:other")
    assert environment_digest(msgspec.structs.replace(info, digest=None)) == info.digest
    assert environment_digest(changed) != info.digest


def test_no_host_user_or_path_is_told():
    text = msgspec.json.encode(capture_environment()).decode()
    for private in (socket.gethostname(), str(Path.home()), str(Path.cwd()), sys.prefix, os.sep + "site-packages"):
        assert private not in text


def test_capturing_imports_nothing_heavy():
    code = (
        "import sys; from datadreamer.cards import capture_environment; capture_environment(); "
        "print([name for name in ('torch', 'numpy', 'pyarrow', 'importlib.metadata') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
