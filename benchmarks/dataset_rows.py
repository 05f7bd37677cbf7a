"""What rows cost: CPU of ours against Hugging Face `datasets` and against pyarrow alone.

CPU is user and system time of this process (wall time on a shared machine says little); every figure is the best of
three. Opening and column access are wall time, in one warm process.

    python benchmarks/dataset_rows.py
    python benchmarks/dataset_rows.py --rows 100000
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datadreamer.datasets import (
    DatasetWriter,
    OutputDataset,
    Rows,
    column_digest,
    export_csv,
    export_json,
    export_parquet,
    open_dataset,
    open_source,
)


def row(number: int) -> dict[str, Any]:
    return {"id": number, "text": f"Document number {number} speaks of many things.", "score": number / 7, "ok": True}


def cpu(work: Callable[[Path], Any], times: int = 3) -> float:
    """CPU seconds of `work`, which gets an empty folder: the best of a few tries."""
    best = float("inf")
    for _ in range(times):
        folder = Path(tempfile.mkdtemp())
        before = time.process_time()
        work(folder)
        best = min(best, time.process_time() - before)
        shutil.rmtree(folder)
    return best


def wall(work: Callable[[], Any], times: int) -> float:
    """Seconds of one call of `work`: the mean of `times`."""
    before = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - before) / times


def show(name: str, ours: float, unit: str, others: dict[str, float]) -> None:
    ratios = ", ".join(f"{other} {value:,.0f} ({ours / value:.2f}x)" for other, value in others.items())
    print(f"{name:<34} {ours:>14,.0f} {unit:<18} {ratios}")


def write_rows(count: int) -> None:
    import datasets

    rows = [row(number) for number in range(count)]

    def ours(folder: Path) -> None:
        writer = DatasetWriter(folder)
        for number, cells in enumerate(rows):
            writer.append(cells)
            writer.mark(number + 1)
        writer.finish()

    def huggingface(folder: Path) -> None:
        def generate() -> Iterator[dict[str, Any]]:
            yield from rows

        datasets.Dataset.from_generator(generate, cache_dir=str(folder))

    def arrow(folder: Path) -> None:
        batch = pa.RecordBatch.from_pylist(rows)
        with pa.OSFile(str(folder / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, batch.schema) as stream:
            stream.write_batch(batch)

    datasets.disable_progress_bars()
    show(
        "rows written, digest included",
        count / cpu(ours),
        "rows/CPU s",
        {"datasets.from_generator": count / cpu(huggingface, 1), "pyarrow, no digest": count / cpu(arrow)},
    )


def write_batches(count: int) -> None:
    table = pa.table(
        {"id": np.arange(count), "score": np.random.default_rng(0).random(count), "text": ["x" * 40] * count}
    )

    def ours(folder: Path) -> None:
        writer = DatasetWriter(folder)
        for batch in table.to_batches(max_chunksize=8192):
            writer.append_columns(batch)
        writer.finish()

    def arrow(folder: Path) -> None:
        with pa.OSFile(str(folder / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table, max_chunksize=8192)

    show("batches written, digest included", count / cpu(ours), "rows/CPU s", {"pyarrow": count / cpu(arrow)})


def read(count: int, folder: Path) -> None:
    import datasets

    writer = DatasetWriter(folder)
    for number in range(count):
        writer.append(row(number))
    info = writer.finish()
    hf = datasets.Dataset.from_file(str(folder / info.parts[0].file))
    ours = OutputDataset(None, open_dataset(folder, info))

    def access() -> Any:
        return OutputDataset(None, open_dataset(folder, info))[count // 2]

    print(f"{'open and read one row':<34} {wall(access, 20) * 1e3:>14.2f} ms")
    show(
        "column access",
        wall(lambda: ours["text"], 2000) * 1e9,
        "ns",
        {"datasets select_columns": wall(lambda: hf.select_columns("text"), 50) * 1e9},
    )
    show("one row", wall(lambda: ours[7], 2000) * 1e9, "ns", {"datasets": wall(lambda: hf[7], 500) * 1e9})
    show(
        "rows iterated",
        count / cpu(lambda _: sum(1 for _ in ours)),
        "rows/CPU s",
        {"datasets": count / cpu(lambda _: sum(1 for _ in hf), 1)},
    )


def digests() -> None:
    text = pa.array([f"some text, number {number}, and more of it " * 3 for number in range(300_000)])
    numbers = pa.array(np.random.default_rng(0).random(5_000_000))
    lists = pa.array([[number, number + 1] for number in range(500_000)])
    for name, array in (("text", text), ("float64", numbers), ("list[int]", lists)):
        seconds = cpu(lambda _, array=array: column_digest(array))  # type: ignore[misc]
        print(f"{'digest of ' + name:<34} {array.nbytes / 1e6 / seconds:>14,.0f} MB/CPU s")


def files(count: int, folder: Path) -> None:
    table = pa.Table.from_pylist([row(number) for number in range(count)])
    rows = Rows.from_table(table)

    def arrow(target: Path) -> None:
        pq.write_table(table, target / "a.parquet", compression="zstd")

    def ours(target: Path) -> None:
        export_parquet(rows, target / "a.parquet")

    show("Parquet written", count / cpu(ours), "rows/CPU s", {"pyarrow": count / cpu(arrow)})
    show("JSON written", count / cpu(lambda to: export_json(rows, to / "a.json"), 1), "rows/CPU s", {})
    show("CSV written", count / cpu(lambda to: export_csv(rows, to / "a.csv"), 1), "rows/CPU s", {})
    export_json(rows, folder / "a.json")
    export_csv(rows, folder / "a.csv")
    for kind in ("json", "csv"):
        path = folder / f"a.{kind}"

        def consume(_: Path, kind: str = kind, path: Path = path) -> None:
            for _batch in open_source(kind, data_files=path).batches():
                pass

        show(f"{kind} read, types over all rows", count / cpu(consume, 1), "rows/CPU s", {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the Parquet and batch measurements")
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        small = min(count, 300_000)
        write_rows(small)
        write_batches(count)
        read(min(count, 100_000), Path(folder) / "read")
        digests()
        files(count, Path(folder))


if __name__ == "__main__":
    main()
