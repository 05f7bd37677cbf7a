"""Which files a source means, and their bytes and text: globs, folders, compression, encodings."""

from __future__ import annotations

import codecs
import glob
import io
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TextIO, cast

from ...errors import SourceError, nearest
from .remote import fetch, is_address

SUFFIXES = {
    "csv": (".csv", ".tsv"),
    "json": (".json", ".jsonl", ".ndjson"),
    "text": (".txt", ".text", ".md"),
    "parquet": (".parquet", ".pq"),
}
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def resolve_files(
    kind: str,
    data_folder: str | Path | None = None,
    data_files: str | Path | Sequence[str | Path] | None = None,
    downloads: Path | None = None,
) -> list[Path]:
    """The files of a source, in the order given; what a glob or a folder finds is sorted by name.

    Args:
        kind: `"csv"`, `"json"`, `"text"` or `"parquet"`: which endings count in a folder.
        data_folder: a folder, searched with its subfolders; with `data_files`, what those are relative to.
        data_files: a path, a glob such as `"data/*.csv"`, a folder, an address such as `"s3://bucket/*.csv"`, or a list
            of them.
        downloads: where copies of what has an address are kept; see `remote`.

    Raises:
        SourceError: nothing is given, or something is not there.
    """
    if isinstance(data_files, dict):
        raise SourceError(
            "data_files by split is not supported: one source gives one dataset. Make one source for each split."
        )
    if data_folder is not None and is_address(data_folder):
        return fetch(_joined(str(data_folder), data_files), SUFFIXES[kind], downloads)
    base = Path(data_folder).expanduser() if data_folder is not None else None
    if data_files is None:
        if base is None:
            raise SourceError("Give data_files (a path, a glob or a list) or data_folder.")
        return _in_folder(kind, base)
    given = [data_files] if isinstance(data_files, (str, Path)) else data_files
    if not isinstance(given, Sequence) or not all(isinstance(entry, (str, Path)) for entry in given):
        raise SourceError(
            f"data_files is a path, a glob or a list of them, not {type(data_files).__name__} {given!r:.80}."
        )
    found = [path for entry in given for path in _entry(kind, base, entry, downloads)]
    if not found:
        raise SourceError("data_files is an empty list: name at least one file.")
    return list(dict.fromkeys(found))


def _joined(folder: str, data_files: Any) -> str:
    """One address of a folder and what is wanted of it."""
    if data_files is None:
        return folder
    if not isinstance(data_files, str):
        raise SourceError("With an address as data_folder, data_files is one name or pattern: give whole addresses.")
    return f"{folder.rstrip('/')}/{data_files}"


def _entry(kind: str, base: Path | None, entry: str | Path, downloads: Path | None) -> list[Path]:
    if is_address(entry):
        return fetch(str(entry), SUFFIXES[kind], downloads)
    path = Path(entry).expanduser()
    path = base / path if base is not None else path
    if path.is_dir():
        return _in_folder(kind, path)
    if path.exists():
        return [path]
    if glob.has_magic(str(path)):
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 (absolute patterns)
        found = sorted(map(Path, names), key=order)
        files = [name for name in found if name.is_file()]
        if not files:
            raise SourceError(f"No file matches {path}.")
        return files
    raise SourceError(f"{path} does not exist.{_neighbour(path)}")


def _neighbour(path: Path) -> str:
    if not path.parent.is_dir():
        return f" There is no folder {path.parent} either."
    hint = nearest(path.name, [found.name for found in path.parent.iterdir() if found.is_file()][:1000])
    return f" {hint}" if hint.startswith("Did") else ""


def _in_folder(kind: str, folder: Path) -> list[Path]:
    if not folder.exists():
        raise SourceError(f"The folder {folder} does not exist.{_neighbour(folder)}")
    if not folder.is_dir():
        raise SourceError(f"{folder} is a file: give it as data_files.")
    paths = sorted(folder.rglob("*"), key=order)
    found = [path for path in paths if path.is_file() and _counts(kind, path.relative_to(folder))]
    if not found:
        raise SourceError(
            f"The folder {folder} has no file ending in {', '.join(SUFFIXES[kind])} (or packed: .gz, ...)."
        )
    return found


def order(path: PurePath) -> tuple[str, ...]:
    """What files are sorted by, alike on every system: Windows ignores capitals, macOS takes letters apart."""
    return tuple(unicodedata.normalize("NFC", part) for part in path.parts)


def _counts(kind: str, path: Path) -> bool:
    name = path.name.lower()
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return name.endswith(SUFFIXES[kind]) and not any(part.startswith(".") for part in path.parts)


def open_binary(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked by its ending. What is wrong with them shows when they are read."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        import gzip

        return cast(BinaryIO, gzip.open(path, "rb"))
    if suffix == ".bz2":
        import bz2

        return cast(BinaryIO, bz2.open(path, "rb"))
    if suffix == ".xz":
        import lzma

        return cast(BinaryIO, lzma.open(path, "rb"))
    if suffix == ".zst":
        import pyarrow as pa

        return cast(BinaryIO, io.BufferedReader(pa.input_stream(str(path), compression="zstd")))
    return path.open("rb")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system or a decompressor says about `path` into a SourceError."""
    try:
        yield
    except SourceError:
        raise
    except (OSError, EOFError) as error:
        packed = path.suffix.lower() in _PACKED
        cure = "The file is damaged, or its ending says another compression than it has." if packed else ""
        raise SourceError(f"{path} cannot be read: {error}. {cure}".rstrip()) from None
    except Exception as error:
        if type(error).__module__ in ("zlib", "_lzma", "lzma"):
            raise SourceError(f"{path} cannot be unpacked: {error}. The file is damaged.") from None
        raise


@contextmanager
def open_text(path: Path, encoding: str | None, newline: str | None = "") -> Iterator[TextIO]:
    """The text of a file: UTF-8 unless a byte order mark or `encoding` says otherwise.

    Raises:
        SourceError: the file is missing, empty, damaged, or not text in that encoding (with the line).
    """
    with reading(path), open_binary(path) as raw:
        buffered = raw if hasattr(raw, "peek") else io.BufferedReader(cast(Any, raw))
        start = buffered.peek(4)[:4]
        if not start:
            raise SourceError(f"{path} is empty.")
        marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
        text = io.TextIOWrapper(cast(Any, buffered), encoding=_codec(encoding) or marked or "utf-8", newline=newline)
        try:
            yield text
        except UnicodeDecodeError as error:
            raise _not_text(path, error, text.encoding) from None


def _codec(encoding: str | None) -> str | None:
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise SourceError(f"There is no encoding {encoding!r}. Common ones: utf-8, latin-1, cp1252, utf-16.") from None
    return "utf-8-sig" if name == "utf-8" else name


def _not_text(path: Path, error: UnicodeDecodeError, encoding: str) -> SourceError:
    line, bad = 0, error.object[error.start : error.start + 1]
    with open_binary(path) as raw:
        for line, content in enumerate(raw, start=1):  # noqa: B007 (the line is what we are after)
            try:
                content.decode(encoding if not encoding.startswith("utf-8") else "utf-8")
            except UnicodeDecodeError as found:
                bad = content[found.start : found.start + 1]
                break
    return SourceError(
        f"{path}, line {line}: byte 0x{bad.hex()} is not {encoding.removesuffix('-sig')} text. "
        'Say what it is, for example encoding="latin-1" or encoding="cp1252", or save the file as UTF-8.'
    )
