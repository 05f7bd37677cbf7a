"""The declaration of a step as text: what `Step.help` shows and what errors quote."""

from __future__ import annotations

from .declaration import Declaration
from .fields import Field
from .typecheck import describe


def help_text(cls: type, declared: Declaration) -> str:
    """Name, first sentence, and one line for every input, argument and output."""
    summary = (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    blocks = [f"{cls.__name__} — {' '.join(summary.split())}" if summary else cls.__name__]
    sections = (
        ("inputs", declared.inputs),
        ("args", declared.of_role("setting", "runtime")),
        ("outputs", declared.outputs),
    )
    for title, fields in sections:
        lines = [_line(field) for field in fields.values() if not field.name.startswith("_")]
        if title == "args" and declared.any_args:
            lines.append("  **kwargs")
        if lines:
            blocks.append(f"{title}:\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def _line(field: Field) -> str:
    kind = f": {describe(field.annotation)}" if field.annotation is not None else ""
    if field.role == "output":
        note = ""
    elif field.required:
        note = " (required)"
    else:
        shown = field.default_help or (repr(field.default) if field.default_factory is None else "made anew")
        note = f" = {shown}"
    runtime = " [does not count in the fingerprint]" if field.role == "runtime" else ""
    tail = f" — {field.help}" if field.help else ""
    return f"  {field.name}{kind}{note}{runtime}{tail}"
