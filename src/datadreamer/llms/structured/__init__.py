"""Answers of a stated type: asked for, read, checked, and asked for again (docs/design/structured-output.md)."""
