"""Pictures in messages: whatever a picture is given as becomes its content, so that the content is what counts."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidArgumentError, InvalidTypeError

_ADDRESSES = ("http://", "https://", "data:", "gs://")
_KINDS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"BM", "bmp"))


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """`message` as plain data: its pictures as `image_url` parts, whose URL is an address or has the data itself.

    A picture is a part `{"type": "image", "image": X}` or `{"type": "image_url", "image_url": {"url": X}}`, where X is
    an address (`str`), a file (`Path`, or a `str` that is no address), `bytes`, a Pillow image, or the
    `{"bytes": …, "path": …}` of a dataset.

    Raises:
        InvalidArgumentError: a file is missing, or its content is no PNG, JPEG, GIF, WebP or BMP.
        InvalidTypeError: X is none of these.
    """
    content = message.get("content")
    if content is None or isinstance(content, str | Mapping):
        return dict(message)
    return {**message, "content": [_part(part) for part in content]}


def _part(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    if part.get("type") == "image" and "image" in part:
        more = {"detail": part["detail"]} if "detail" in part else {}
        return {"type": "image_url", "image_url": {"url": _url(part["image"]), **more}}
    given = part.get("image_url")
    if part.get("type") == "image_url" and given is not None:
        inner = dict(given) if isinstance(given, Mapping) and "url" in given else {"url": given}
        return part if isinstance(inner["url"], str) and _is_address(inner["url"]) else _with_url(part, inner)
    return part


def _with_url(part: Mapping[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    return {**part, "image_url": {**inner, "url": _url(inner["url"])}}


def _is_address(text: str) -> bool:
    return text.startswith(_ADDRESSES)


def _url(picture: Any) -> str:
    if isinstance(picture, str) and _is_address(picture):
        return picture
    data = _data(picture)
    return f"data:image/{_kind(data)};base64,{base64.b64encode(data).decode('ascii')}"


def _data(picture: Any) -> bytes:
    if isinstance(picture, Mapping) and (picture.get("bytes") or picture.get("path")):
        picture = picture.get("bytes") or picture["path"]
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | Path):
        try:
            return Path(picture).expanduser().read_bytes()
        except OSError as error:
            raise InvalidArgumentError(
                f"A picture is an address, or a file that can be read: {str(picture)!r:.200} ({error})."
            ) from None
    if hasattr(picture, "save") and hasattr(picture, "getbands"):  # Pillow
        file = io.BytesIO()
        picture.save(file, format="PNG")
        return file.getvalue()
    raise InvalidTypeError(
        f"A picture is an address, a Path, bytes or a Pillow image, not {type(picture).__name__}: {picture!r:.80}"
    )


def _kind(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    for beginning, kind in _KINDS:
        if data.startswith(beginning):
            return kind
    raise InvalidArgumentError(f"A picture is a PNG, JPEG, GIF, WebP or BMP, and this begins with {data[:12]!r}.")
