#!/bin/sh
# Make the virtual environment with the pinned versions. Run again, it does only what is missing.
set -eu

say() { printf '%s\n' "$*" >&2; }

if [ -z "${PYTHON:-}" ]; then
    say "DataDreamer needs Python 3.11 or newer, and none was found on the PATH."
    say "Install one (https://www.python.org/downloads/), or say which to use: make PYTHON=/path/to/python3.12 ..."
    exit 1
fi
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "DataDreamer needs Python 3.11 or newer; $PYTHON is $("$PYTHON" -V 2>&1 || echo 'not a Python')."
    say "Say which to use: make PYTHON=/path/to/python3.12 ..."
    exit 1
fi

if [ ! -x "$VENV/bin/python" ]; then
    say "Making the virtual environment in $VENV with $("$PYTHON" -V) ..."
    "$PYTHON" -m venv "$VENV" || {
        say "The virtual environment could not be made. On Debian and Ubuntu: apt-get install python3-venv"
        exit 1
    }
fi

install() {
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --constraint constraints.txt "$@" || {
        say ""
        say "Installing failed. Without a network (or behind a proxy that pip does not know) nothing can be installed:"
        say "connect, or set PIP_INDEX_URL or HTTPS_PROXY, and run the same command again; it goes on where it stopped."
        exit 1
    }
}

say "Installing PyTorch, pinned in constraints.txt ..."
install torch
say "Installing DataDreamer and its development tools ..."
install --editable '.[dev]'
say "Ready: $VENV/bin/python"
