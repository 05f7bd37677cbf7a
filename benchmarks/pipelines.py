"""100,000 rows through map, filter, shuffle and save: CPU of ours against Hugging Face `datasets`, in one run.

Both store what every stage gives; ours also hashes it, records lineage and writes cards. Each figure is user and system
time of a fresh process without its imports and session, the median of a few.

    python benchmarks/pipelines.py [--rows 100000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
CEILINGS = {"rows": 1.0, "batches": 1.5, "parquet": 1.5}


def table(count: int) -> Any:
    import pyarrow as pa

    texts = [f"Document number {number} speaks of many things, and of few." for number in range(count)]
    return pa.table({"id": list(range(count)), "text": texts, "score": [number % 97 / 7 for number in range(count)]})


def map_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"length": len(row["text"]), "upper": row["text"].upper()}


def keep_row(row: dict[str, Any]) -> bool:
    return row["id"] % 3 != 0


def map_batch(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {"length": [len(text) for text in batch["text"]], "upper": [text.upper() for text in batch["text"]]}


def keep_batch(batch: dict[str, list[Any]]) -> list[bool]:
    return [number % 3 != 0 for number in batch["id"]]


def ours(folder: Path, count: int, batched: bool) -> float:
    from datadreamer import DataDreamer
    from datadreamer.steps import DataSource

    with DataDreamer(folder / "output", verbose=False):
        source = DataSource("Source", table(count))
        before = time.process_time()
        mapped = source.map(map_batch if batched else map_row, batched=batched, lazy=False)
        kept = mapped.filter(keep_batch if batched else keep_row, batched=batched, lazy=False)
        saved = kept.shuffle(seed=1).save()
        used = time.process_time() - before
        assert saved.output.num_rows == count - (count + 2) // 3
    return used


def theirs(folder: Path, count: int, batched: bool) -> float:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_dict({"a": [1]}).map(lambda row: row).save_to_disk(folder / "warm")
    source = datasets.Dataset(table(count))
    source.save_to_disk(folder / "source")
    source = datasets.load_from_disk(folder / "source")
    before = time.process_time()
    mapped = source.map(map_batch if batched else map_row, batched=batched, cache_file_name=str(folder / "m.arrow"))
    kept = mapped.filter(keep_batch if batched else keep_row, batched=batched, cache_file_name=str(folder / "f.arrow"))
    kept.shuffle(seed=1).save_to_disk(folder / "saved")
    return time.process_time() - before


def parquet(folder: Path, count: int, own: bool) -> float:
    import pyarrow.parquet as pq

    from datadreamer.datasets import DatasetWriter, export_parquet

    writer = DatasetWriter(folder / "rows")
    writer.append_columns(table(count))
    rows = writer.dataset(writer.finish())
    whole = rows.table()
    before = time.process_time()
    if own:
        export_parquet(rows, folder / "ours.parquet")
    else:
        pq.write_table(whole, folder / "arrow.parquet", compression="zstd")
    return time.process_time() - before


def one(kind: str, folder: Path, count: int) -> float:
    form, who = kind.split("-")
    if form == "parquet":
        return parquet(folder, 10 * count, who == "ours")
    return (ours if who == "ours" else theirs)(folder, count, form == "batches")


def measure(kind: str, count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        what = ["--one", kind, "--folder", folder, "--rows", str(count)]
        done = subprocess.run([sys.executable, str(HERE), *what], check=True, stdout=subprocess.PIPE, text=True)
        return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", help="run one measurement in this process")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(one(arguments.one, arguments.folder, arguments.rows)))
        return
    print(f"{arguments.rows:,} rows ({10 * arguments.rows:,} as Parquet), median of {arguments.repeats}")
    print(f"{'':10}{'ours, CPU s':>13}{'theirs':>9}{'ratio':>8}   at most")
    for form, ceiling in CEILINGS.items():
        found: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(arguments.repeats):
            for who, results in found.items():
                results.append(measure(f"{form}-{who}", arguments.rows))
        mine, other = (statistics.median(found[who]) for who in ("ours", "theirs"))
        print(f"{form:10}{mine:13.2f}{other:9.2f}{mine / other:8.2f}   {ceiling}", flush=True)


if __name__ == "__main__":
    main()
