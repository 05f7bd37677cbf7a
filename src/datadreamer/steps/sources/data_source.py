"""`DataSource`: data that the script has in its hands. The base of the sources that read files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from ...errors import InvalidArgumentError, InvalidTypeError, StepOutputError, StepOutputTypeError
from ..fields import runtime
from ..rows import LazyRows, table_chunks
from ..step import Step


class Source(Step):
    """What every data source shares: its columns are whatever the data has, and it is identified by content."""

    any_columns: ClassVar[bool] = True
    origins: ClassVar[Mapping[str, str]] = {"*": "source"}

    def content(self) -> Any:
        """The data's identity: a content digest, or what stands for one."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "content": self.content()}


class DataSource(Source):
    """Rows that the script has: in a dict, a list, a table or a data frame, or from a generator function.

    Args:
        name: the step's name.
        data: a dict of lists, a list of dicts, a Hugging Face `Dataset`, an Arrow table or reader, a pandas or polars
            data frame, a structured NumPy array, or a function that returns an iterator of rows (dicts), which is then
            called whenever the rows are read.
        total_num_rows: how many rows a function gives, when known.
        auto_progress: report progress from `total_num_rows`.
        progress_interval, force, verbose, log_level, save_num_proc, save_num_shards, background: as for `Step`.
        **kwargs: accepted as for `LazyRows`.
    """

    data: Any
    total_num_rows: int | None = runtime(default=None)
    auto_progress: bool = runtime(default=True)

    def __init__(
        self,
        name: str,
        data: Any,
        total_num_rows: int | None = None,
        auto_progress: bool = True,
        progress_interval: float | None = 60,
        force: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        save_num_proc: int | None = None,
        save_num_shards: int | None = None,
        background: bool = False,
        **kwargs: Any,
    ) -> None:
        self._start(without_self(locals()))

    def setup(self) -> None:
        self.register_arg("save", required=False, default=False, help="store the rows of a function")
        self.register_arg("save_writer_batch_size", required=False)

    def check(self) -> None:
        self._rows: Any = None
        if isinstance(self.data, LazyRows):
            lazy = self.data
            self.data, self.total_num_rows = lazy.value, lazy.total_num_rows
        if not callable(self.data):
            self._rows = _rows(f"Step '{self.name}'", self.data)

    @property
    def keeps(self) -> str:  # type: ignore[override]
        return "view" if callable(self.data) and not self._args["save"] else "stored"

    def content(self) -> Any:
        return {"function": self.data} if callable(self.data) else {"digest": self._rows.digest()}

    def identity(self) -> dict[str, Any]:
        settings = super().identity()
        for uncounted in ("data", "save", "save_writer_batch_size"):  # the data is counted by its content
            settings.pop(uncounted)
        return settings

    def expected_rows(self) -> int | None:
        return self.total_num_rows if self._rows is None else self._rows.num_rows

    def view(self) -> Any:
        from ...datasets import OutputIterableDataset

        return OutputIterableDataset(self, self._generated, total_num_rows=self.total_num_rows)

    def _generated(self) -> Iterator[dict[str, Any]]:
        for row in self.data():
            if not isinstance(row, Mapping):
                raise InvalidTypeError(
                    f"Step '{self.name}': the function must give rows as dictionaries, "
                    f"not {type(row).__name__} {row!r:.80}."
                )
            yield dict(row)

    def run(self) -> Iterator[Any]:
        if self._rows is None:
            yield from self._generated()
            return
        yield from table_chunks(self._rows)

    def card_sources(self) -> list[Any]:
        from ...cards import SourceUse

        digest = None if self._rows is None else self._rows.digest()
        rows = None if self._rows is None else self._rows.num_rows
        return [SourceUse(name=self.name, kind="memory", digest=digest, rows=rows)]


def without_self(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a written-out `__init__`, by name."""
    return {
        **{
            name: value for name, value in given.items() if name not in ("self", "kwargs", "config_kwargs", "__class__")
        },
        **given.get("kwargs", {}),
    }


def _rows(who: str, data: Any) -> Any:
    """In-memory data as typed rows."""
    import pyarrow as pa

    from ...datasets import OutputIterableDataset, Rows, as_rows

    module, kind = type(data).__module__.split(".")[0], type(data).__name__
    if kind in ("DatasetDict", "IterableDatasetDict"):
        raise InvalidArgumentError(f"{who}: data has several splits ({', '.join(data)}). Pass one, as data['train'].")
    if module == "datasets" and kind == "IterableDataset":
        return _computed(data)
    if module == "pyarrow" and kind in ("RecordBatch", "RecordBatchReader"):
        return Rows.from_table(data.read_all() if kind == "RecordBatchReader" else pa.Table.from_batches([data]))
    if module == "numpy" and getattr(data.dtype, "names", None):  # a structured array is columns
        data = {field: data[field] for field in data.dtype.names}
    if module == "pandas":
        return Rows.from_table(pa.Table.from_pandas(data, preserve_index=False))
    if module == "polars":
        data = data.collect() if kind == "LazyFrame" else data
        return Rows.from_table(data.to_arrow())
    try:
        if isinstance(data, Mapping):
            return Rows.from_columns(_columns(who, data))
        if isinstance(data, list | tuple):
            return Rows.from_list(_dictionaries(who, data))
    except StepOutputTypeError as error:
        raise InvalidTypeError(f"{who}: {error}") from None
    except StepOutputError as error:
        raise InvalidArgumentError(f"{who}: {error}") from None
    data = getattr(data, "output", data)  # a step stands for its result
    if isinstance(data, OutputIterableDataset):
        return _computed(data)
    try:
        return as_rows(data)
    except ValueError:
        called = isinstance(data, Iterator)
        hint = " Pass the function itself, without calling it: its rows may be read more than once." if called else ""
        raise InvalidTypeError(
            f"{who}: data must be a dict of lists, a list of dicts, a Hugging Face Dataset, an Arrow table, "
            f"a data frame or a generator function, not {type(data).__name__}.{hint}"
        ) from None


def _computed(data: Any) -> Any:
    """Rows that are made as they are read, put on disk: there may be more of them than memory."""
    from ...datasets import spooled
    from ..operations.base import scratch_folder

    return spooled(iter(data), scratch_folder())


def _dictionaries(who: str, data: Sequence[Any]) -> list[dict[str, Any]]:
    wrong = next((number for number, row in enumerate(data) if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise InvalidTypeError(
            f"{who}: data must be a list of dictionaries, but item {wrong} is "
            f"{type(data[wrong]).__name__} {data[wrong]!r:.80}."
        )
    return [dict(row) for row in data]


def _columns(who: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Equally long columns, each as a list."""
    for name, values in data.items():
        if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
            raise InvalidTypeError(
                f"{who}: data must be a dict of lists, but '{name}' is {type(values).__name__} {values!r:.80}."
            )
    columns = {name: list(values) for name, values in data.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"'{name}' has {count}" for name, count in lengths.items())
        raise InvalidArgumentError(f"{who}: the columns of data have different lengths: {shown} values.")
    return columns
