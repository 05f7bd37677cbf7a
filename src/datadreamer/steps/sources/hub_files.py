"""Which files of a repository on the Hugging Face Hub are which part of its dataset.

The Hub's conventions, in this order: the `configs` of the dataset card; the layout `config/split/0000.parquet` of the
Hub's own Parquet copies; names such as `data/train-00000-of-00002.parquet`; the words train, validation and test in the
names of files or folders. What says nothing is `train`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import SourceError, nearest

SUFFIXES = {
    ".parquet": "parquet", ".pq": "parquet", ".jsonl": "json", ".json": "json", ".ndjson": "json", ".csv": "csv",
    ".tsv": "csv", ".txt": "text",
}  # fmt: skip
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_NO_DATA = re.compile(
    r"(?:readme|license|licence|notice|requirements|citation|dataset_infos?|dataset_dict|state|datadreamer|croissant)\b",
    re.IGNORECASE,
)
_COPY = re.compile(r"(?P<config>[^/]+)/(?:partial-)?(?P<split>[^/]+)/\d{4,}\.parquet")
_NUMBERED = re.compile(r"(?:.*/)?(?P<split>\w[\w.]*)-\d{5}-of-\d{5}[^/]*")
_WORDS = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip

Splits = dict[str, list[str]]


@dataclass(frozen=True)
class Part:
    """The files of one split of one configuration, all of one kind (see `open_source`)."""

    kind: str
    files: list[str]
    config: str | None
    split: str


def choose(
    files: Sequence[str],
    card: Mapping[str, Any],
    config: str | None = None,
    split: str | None = None,
    data_files: Any = None,
    data_dir: str | None = None,
) -> Part:
    """The part of a dataset that is asked for.

    Args:
        files: all paths in the repository.
        card: the metadata of its dataset card.
        config: which configuration; None when there is one, or the card names a default.
        split: which split; None when there is one.
        data_files: patterns of the caller, or split to patterns, instead of what the card says.
        data_dir: only files in this folder.

    Raises:
        SourceError: there is no such part, or there are several and none was named.
    """
    if data_dir is not None:
        folder = data_dir.strip("/") + "/"
        files = [name for name in files if name.startswith(folder)]
    if data_files is not None:
        found = _matching(files, data_files)
    else:
        configs = _configs(files, card)
        config = _one("configuration", "config_name", config, list(configs), _default(card, configs))
        found = configs[config]
    found = {name: names for name, names in found.items() if names}
    split = _one("split", "split", split, list(found), None)
    return Part(_kind(found[split]), found[split], config, split)


def _one(what: str, argument: str, given: str | None, known: list[str], default: str | None) -> str:
    if given is None and default is not None:
        return default
    if given is None and len(known) == 1:
        return known[0]
    if not known:
        raise SourceError("none of its files holds rows that can be read, or matches what was asked for.")
    if given is None:
        listed = ", ".join(map(repr, known))
        raise SourceError(f"it has several {what}s ({listed}): choose one, for example {argument}={known[0]!r}.")
    if given not in known:
        raise SourceError(f"it has no {what} {given!r}. {nearest(given, known)}{_slicing(given, known)}")
    return given


def _slicing(given: str, known: list[str]) -> str:
    if given.partition("[")[0].partition("+")[0] not in known:
        return ""
    return " Rows of a split are chosen with the step's take(), skip() and shard(), splits are joined with concat()."


# --- configurations ---------------------------------------------------------------------------------------------------


def _configs(files: Sequence[str], card: Mapping[str, Any]) -> dict[str, Splits]:
    stated = [entry for entry in card.get("configs") or [] if isinstance(entry, Mapping)]
    if any("data_files" in entry or "data_dir" in entry for entry in stated):
        return {str(entry.get("config_name", "default")): _stated(files, entry) for entry in stated}
    data = _data_files(files)
    copies = [_COPY.fullmatch(name) for name in data]
    if not data or None in copies:
        return {"default": _by_name(data)}
    configs: dict[str, Splits] = {}
    for name, copy in zip(data, copies, strict=True):
        assert copy is not None
        configs.setdefault(copy["config"], {}).setdefault(copy["split"], []).append(name)
    return configs


def _default(card: Mapping[str, Any], configs: Mapping[str, Splits]) -> str | None:
    marked = [entry.get("config_name") for entry in card.get("configs") or [] if entry.get("default")]
    return next((name for name in (*marked, "default") if name in configs), None)


def _stated(files: Sequence[str], entry: Mapping[str, Any]) -> Splits:
    folder = str(entry.get("data_dir") or "").strip("/")
    inside = [name for name in files if not folder or name.startswith(folder + "/")]
    if "data_files" not in entry:
        return _by_name(_data_files(inside))
    return _matching(inside, entry["data_files"], folder)


def _matching(files: Sequence[str], patterns: Any, folder: str = "") -> Splits:
    """Split to files, from a pattern, a list of patterns, a list of `{"split", "path"}`, or split to patterns."""
    if isinstance(patterns, Mapping):
        patterns = [{"split": split, "path": path} for split, path in patterns.items()]
    listed = [patterns] if isinstance(patterns, str) else list(patterns)
    splits: Splits = {}
    for entry in listed:
        split, paths = (entry.get("split", "train"), entry["path"]) if isinstance(entry, Mapping) else ("train", entry)
        for path in [paths] if isinstance(paths, str) else paths:
            known = splits.setdefault(str(split), [])
            found = _globbed(files, f"{folder}/{path}" if folder else path)
            known.extend(name for name in found if name not in known)
    return splits


def _globbed(files: Sequence[str], pattern: str) -> list[str]:
    pattern = pattern.removeprefix("./")
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]*\])", pattern)
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    expression = "".join(
        signs.get(piece, piece.replace("[!", "[^") if number % 2 else re.escape(piece))
        for number, piece in enumerate(pieces)
    )
    return sorted(name for name in files if re.fullmatch(expression, name))


# --- splits by the names of files -------------------------------------------------------------------------------------


def _data_files(files: Sequence[str]) -> list[str]:
    """The files that hold rows: of the commonest kind that can be read."""
    known = [name for name in sorted(files) if _suffix_kind(name) and not _is_hidden(name)]
    counts = Counter(_suffix_kind(name) for name in known)
    best = max(dict.fromkeys(SUFFIXES.values()), key=lambda kind: counts[kind])  # the first one of equals
    return [name for name in known if _suffix_kind(name) == best]


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__")) for part in name.split("/")) or bool(_NO_DATA.match(name.split("/")[-1]))


def _by_name(data: list[str]) -> Splits:
    numbered = [_NUMBERED.fullmatch(name) for name in data]
    found: Splits = {}
    for name, number in zip(data, numbered, strict=True):
        split = number["split"] if number is not None and None not in numbered else _word_in(name)
        if split is not None:
            found.setdefault(split, []).append(name)
    return found or ({"train": data} if data else {})


def _word_in(name: str) -> str | None:
    """The split that a file's name speaks of, or else the nearest folder's."""
    for part in reversed(name.split("/")):
        for word in re.split(r"[^a-z]+", part.casefold()):
            if word in _WORDS:
                return _WORDS[word]
    return None


# --- kinds ------------------------------------------------------------------------------------------------------------


def _suffix_kind(name: str) -> str | None:
    lower = name.casefold()
    for packed in _PACKED:
        lower = lower.removesuffix(packed)
    return next((kind for suffix, kind in SUFFIXES.items() if lower.endswith(suffix)), None)


def _kind(files: Sequence[str]) -> str:
    kinds = {_suffix_kind(name): name for name in files}
    if None in kinds:
        raise SourceError(f"{kinds[None]} is none of the kinds of file that can be read ({', '.join(SUFFIXES)}).")
    if len(kinds) > 1:
        raise SourceError(f"files of different kinds belong together ({', '.join(map(str, kinds.values()))}).")
    return str(next(iter(kinds)))
