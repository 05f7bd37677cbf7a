"""`python -m datadreamer.cards.schema` writes the shipped schema anew, after the structs of the record changed."""

import json
from pathlib import Path

from . import FILE, generated

Path(__file__).with_name(FILE).write_text(json.dumps(generated(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
