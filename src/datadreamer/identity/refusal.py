"""Refusing a value: the path to it is gathered while the walk unwinds, so that a walk that succeeds pays nothing."""

from __future__ import annotations

from ..errors import CannotIdentifyError

DEEPEST_SHOWN = 12

WAYS_OUT = (
    "Three ways out: (1) give its class a method __datadreamer_fingerprint__(self) that returns plain values it "
    "depends on, or register its type with @datadreamer.identity.register; (2) mark the function or class that uses "
    'it with @datadreamer.identity.version("1"), and raise the version when results would change; (3) create it '
    "inside the function that uses it, or pass the plain values it is made from."
)


class Refusal(Exception):  # noqa: N818  (never seen by a user)
    """A value without identity, on its way up; each container adds its segment of the path."""

    def __init__(self, what: str, why: str, cure: str = WAYS_OUT) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.cure = cure
        self.segments: list[str] = []  # innermost first

    def under(self, segment: str) -> Refusal:
        """Remember one more segment of the path, from the inside out."""
        if segment:
            self.segments.append(segment)
        return self

    def error(self) -> CannotIdentifyError:
        """The error for the user."""
        path = join_path(self.segments[::-1])
        subject = f"{path}: {self.what}" if path else self.what
        return CannotIdentifyError(f"Cannot identify {subject} {self.why} {self.cure}")


def too_deep() -> Refusal:
    """A value that contains itself, or is nested deeper than Python can walk."""
    return Refusal(
        "a value that contains itself, or is nested too deeply.",
        "It has no end, so it has no canonical form.",
        "Pass a value without the cycle, for example a dict that refers to its parent by name.",
    )


def join_path(segments: list[str]) -> str:
    """`args`, `["post_process"]`, `closure variable 'x'` as one readable path."""
    if len(segments) > DEEPEST_SHOWN:
        segments = [*segments[: DEEPEST_SHOWN // 2], "…", *segments[-2:]]
    path = ""
    for segment in segments:
        if not path:
            path = plain_key(segment)
        else:
            path += segment if segment[0] in "[." else f" → {segment}"
    return path


def plain_key(segment: str) -> str:
    """`["args"]` as `args`, where it begins a path and is a name."""
    inner = segment[2:-2]
    return inner if segment.startswith('["') and inner.isidentifier() else segment
