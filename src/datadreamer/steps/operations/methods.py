"""The operations as methods of every step. Arguments that all of them take are explained once, on `Operations`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..step import Step


class _Inherit:
    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Any = _Inherit()  # take the setting of the step that the operation is made from


class Operations:
    """What can be done with a step's result.

    All operations take `name` (`"<step> (<operation>)"` when None), `progress_interval`, `force`, `writer_batch_size`,
    `save_num_proc`, `save_num_shards` and `background`. `lazy=True` makes a view: nothing is copied, and what a
    function computes is computed when it is read. `lazy=False` stores the rows.
    """

    # --- rows ---------------------------------------------------------------------------------------------------------

    def select(self, indices: Iterable[int], name: str | None = None, lazy: bool = True, **options: Any) -> Step:
        """The rows at these positions, in this order."""
        chosen = [index(at) if hasattr(at, "__index__") else at for at in indices]  # NumPy's integers too
        return self._operation("SelectStep", "select", name, options, indices=chosen, lazy=lazy)

    def take(self, n: int, name: str | None = None, lazy: bool = True, **options: Any) -> Step:
        """The first n rows."""
        return self._operation("TakeStep", "take", name, options, n=n, lazy=lazy)

    def skip(self, n: int, name: str | None = None, lazy: bool = True, **options: Any) -> Step:
        """All but the first n rows."""
        return self._operation("SkipStep", "skip", name, options, n=n, lazy=lazy)

    def shuffle(
        self,
        seed: int | None = None,
        buffer_size: int = 1000,
        name: str | None = None,
        lazy: bool = True,
        **options: Any,
    ) -> Step:
        """The rows in a random order that `seed` decides; without one it is 0, so that a rerun gives the same order.

        Args:
            seed: any integer, 0 or more.
            buffer_size: for lazy rows, which cannot be indexed: how many are mixed at a time.
        """
        return self._operation("ShuffleStep", "shuffle", name, options, seed=seed, buffer_size=buffer_size, lazy=lazy)

    def sort(
        self,
        column_names: str | Sequence[str],
        reverse: bool | Sequence[bool] = False,
        null_placement: str = "at_end",
        name: str | None = None,
        **options: Any,
    ) -> Step:
        """The rows ordered by one or more columns; equal rows keep their order."""
        names = [column_names] if isinstance(column_names, str) else list(column_names)
        return self._operation(
            "SortStep", "sort", name, options, by=names, descending=reverse, null_placement=null_placement
        )

    def reverse(self, name: str | None = None, lazy: bool = True, **options: Any) -> Step:
        """The rows from last to first."""
        return self._operation("ReverseStep", "reverse", name, options, lazy=lazy)

    def add_item(self, item: Mapping[str, Any], name: str | None = None, lazy: bool = True, **options: Any) -> Step:
        """The rows and one more."""
        return self._operation("AddItemStep", "add_item", name, options, item=dict(item), lazy=lazy)

    def filter(
        self,
        function: Callable[..., Any],
        with_indices: bool = False,
        input_columns: str | Sequence[str] | None = None,
        batched: bool = False,
        batch_size: int = 1000,
        total_num_rows: int | None = None,
        auto_progress: bool = True,
        name: str | None = None,
        lazy: bool = True,
        **options: Any,
    ) -> Step:
        """The rows for which a function gives true.

        Args:
            function: from a row (a dict) to a bool; with `input_columns` it gets their values instead, with
                `with_indices` also the row's position, and with `batched` a dict of lists, giving a list of bools.
            batch_size: rows given to a batched function at a time.
        """
        return self._operation(
            "FilterStep", "filter", name, options,
            function=function, with_indices=with_indices, input_columns=_names(input_columns), batched=batched,
            batch_size=batch_size, total_num_rows=total_num_rows, auto_progress=auto_progress, lazy=lazy,
        )  # fmt: skip

    def map(
        self,
        function: Callable[..., Any],
        with_indices: bool = False,
        input_columns: str | Sequence[str] | None = None,
        batched: bool = False,
        batch_size: int = 1000,
        remove_columns: str | Sequence[str] | None = None,
        total_num_rows: int | None = None,
        auto_progress: bool = True,
        name: str | None = None,
        lazy: bool = True,
        **options: Any,
    ) -> Step:
        """The rows with columns that a function computes.

        Args:
            function: from a row (a dict) to a dict of new or changed columns; arguments as for `filter()`. A batched
                function gives a dict of lists, which may be of another length when all other columns are removed.
            remove_columns: columns to leave out of the result.
        """
        return self._operation(
            "MapStep", "map", name, options,
            function=function, with_indices=with_indices, input_columns=_names(input_columns), batched=batched,
            batch_size=batch_size, without=_names(remove_columns) or [], total_num_rows=total_num_rows,
            auto_progress=auto_progress, lazy=lazy,
        )  # fmt: skip

    def unique(
        self,
        column_names: str | Sequence[str] | None = None,
        name: str | None = None,
        lazy: bool = True,
        **options: Any,
    ) -> Step:
        """The first row of each that are equal: in these columns, or in all of them."""
        return self._operation("UniqueStep", "unique", name, options, column_names=_names(column_names), lazy=lazy)

    def sample(
        self,
        n: int | None = None,
        fraction: float | None = None,
        seed: int | None = None,
        name: str | None = None,
        lazy: bool = True,
        **options: Any,
    ) -> Step:
        """Rows drawn at random without repeats, in the order they have.

        Args:
            n: how many.
            fraction: which share of them, 0 to 1; either this or `n`.
            seed: decides which; the same rows in every run when None.
        """
        return self._operation("SampleStep", "sample", name, options, n=n, fraction=fraction, seed=seed, lazy=lazy)

    def explode(
        self, column_name: str, keep_empty: bool = True, name: str | None = None, lazy: bool = True, **options: Any
    ) -> Step:
        """One row for every item of a column's lists; the other columns repeat.

        Args:
            keep_empty: a row whose list is empty or None stays, with None; otherwise it goes.
        """
        return self._operation(
            "ExplodeStep", "explode", name, options, column_name=column_name, keep_empty=keep_empty, lazy=lazy
        )

    def group_by(
        self,
        column_names: str | Sequence[str],
        aggregations: Mapping[str, tuple[str, str]],
        name: str | None = None,
        **options: Any,
    ) -> Step:
        """One row for every group of rows that are equal in these columns.

        Args:
            column_names: what makes a group.
            aggregations: new column to `(column, function)`, for example `{"best": ("score", "max")}`. Functions:
                `count`, `sum`, `mean`, `min`, `max`, `list`, `first`; `("*", "count")` counts rows.
        """
        return self._operation(
            "GroupByStep", "group_by", name, options,
            column_names=_names(column_names), aggregations={new: list(made) for new, made in aggregations.items()},
        )  # fmt: skip

    def join(
        self,
        other: Step,
        on: str | Sequence[str] | Mapping[str, str],
        how: str = "inner",
        name: str | None = None,
        **options: Any,
    ) -> Step:
        """The rows, each with the columns of the other step's rows that have the same key.

        Args:
            other: any step.
            on: the column or columns of the key; a mapping where they have other names in the other step.
            how: `"inner"` leaves out rows without a match, `"left"` keeps them, with None.
        """
        from .joining import as_mapping

        return self._operation("JoinStep", "join", name, options, other=other, on=as_mapping(on), how=how)

    # --- columns ------------------------------------------------------------------------------------------------------

    def select_columns(
        self, column_names: str | Sequence[str], name: str | None = None, lazy: bool = True, **options: Any
    ) -> Step:
        """Only these columns."""
        return self._operation(
            "SelectColumnsStep", "select_columns", name, options, column_names=_names(column_names), lazy=lazy
        )

    def remove_columns(
        self, column_names: str | Sequence[str], name: str | None = None, lazy: bool = True, **options: Any
    ) -> Step:
        """All columns but these."""
        return self._operation(
            "RemoveColumnsStep", "remove_columns", name, options, column_names=_names(column_names), lazy=lazy
        )

    def rename_column(
        self,
        original_column_name: str,
        new_column_name: str,
        name: str | None = None,
        lazy: bool = True,
        **options: Any,
    ) -> Step:
        """One column under another name."""
        return self._operation(
            "RenameColumnStep", "rename_column", name, options,
            column_mapping={original_column_name: new_column_name}, lazy=lazy,
        )  # fmt: skip

    def rename_columns(
        self, column_mapping: Mapping[str, str], name: str | None = None, lazy: bool = True, **options: Any
    ) -> Step:
        """Columns under other names."""
        return self._operation(
            "RenameColumnsStep", "rename_columns", name, options, column_mapping=dict(column_mapping), lazy=lazy
        )

    def flatten(
        self,
        column_names: str | Sequence[str] | None = None,
        name: str | None = None,
        lazy: bool = True,
        **options: Any,
    ) -> Step:
        """The fields of dicts as columns of their own, called `column.field`; one level, all such columns when None."""
        return self._operation("FlattenStep", "flatten", name, options, column_names=_names(column_names), lazy=lazy)

    # --- parts and copies ---------------------------------------------------------------------------------------------

    def splits(
        self,
        train_size: float | int | None = None,
        validation_size: float | int | None = None,
        test_size: float | int | None = None,
        stratify_by_column: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> dict[str, Step]:
        """Train, validation and test rows, in the order they have; those of the three that were given a size.

        Args:
            train_size, validation_size, test_size: shares that sum to 1.0, or numbers of rows that sum to all.
            stratify_by_column: give every split the same mix of this column's values.
        """
        from .splitting import splits

        sizes = {"train": train_size, "validation": validation_size, "test": test_size}
        return splits(cast("Step", self), sizes, stratify_by_column, name, options)

    def shard(
        self, num_shards: int, index: int, contiguous: bool = False, name: str | None = None, **options: Any
    ) -> Step:
        """One of `num_shards` parts: every `num_shards`-th row, or a contiguous stretch."""
        return self._operation(
            "ShardStep", "shard", name, options, num_shards=num_shards, index=index, contiguous=contiguous
        )

    def save(self, name: str | None = None, **options: Any) -> Step:
        """The same rows, stored."""
        return self._operation("SaveStep", "save", name, options, lazy=False)

    def copy(self, name: str | None = None, lazy: bool | None = None, **options: Any) -> Step:
        """The same rows as a step of their own; lazy when None."""
        return self._operation("CopyStep", "copy", name, options, lazy=True if lazy is None else lazy)

    # --- out ----------------------------------------------------------------------------------------------------------

    def export_to_dict(self, **splits: Any) -> dict[str, Any]:
        """The rows as a dict of lists, or a dict of those by split."""
        from ..export import export_to_dict

        return export_to_dict(cast("Step", self), **splits)

    def export_to_list(self, **splits: Any) -> Any:
        """The rows as a list of dicts, or a dict of those by split."""
        from ..export import export_to_list

        return export_to_list(cast("Step", self), **splits)

    def export_to_json(self, path: str, **options: Any) -> Any:
        """Write a JSON Lines file, or with split sizes one for each: `name.train.json`, … Gives what was written."""
        from ..export import export_to_file

        return export_to_file(cast("Step", self), "json", path, **options)

    def export_to_csv(self, path: str, sep: str = ",", **options: Any) -> Any:
        """Write a CSV file, or with split sizes one for each. Gives what was written."""
        from ..export import export_to_file

        return export_to_file(cast("Step", self), "csv", path, sep=sep, **options)

    def export_to_parquet(self, path: str, **options: Any) -> Any:
        """Write a Parquet file (zstd), or with split sizes one for each. Gives what was written."""
        from ..export import export_to_file

        return export_to_file(cast("Step", self), "parquet", path, **options)

    def export_to_hf_dataset(self, path: str, **options: Any) -> Any:
        """Write a folder that `datasets.load_from_disk` reads, with its card; gives the dataset, opened."""
        from ..export import export_to_hf_dataset

        return export_to_hf_dataset(cast("Step", self), path, **options)

    def publish_to_hf_hub(
        self,
        repo_id: str,
        branch: str | None = None,
        private: bool = False,
        token: str | None = None,
        is_synthetic: bool = True,
        **options: Any,
    ) -> str:
        """Put the rows and their card on the Hugging Face Hub; gives the URL.

        Args:
            repo_id: `"user/name"`.
            branch: the branch to write to; the main one when None.
            private: make the repository private when it is new.
            token: an access token; else the one that `huggingface_hub` finds. Nothing is ever asked on the terminal.
            is_synthetic: tag the dataset as synthetic.
        """
        from ..publish import publish_dataset

        return publish_dataset(cast("Step", self), repo_id, branch, private, token, is_synthetic, **options)

    # --- making one ---------------------------------------------------------------------------------------------------

    def _operation(
        self, class_name: str, verb: str, name: str | None, options: dict[str, Any], **settings: Any
    ) -> Step:
        from .. import step as home
        from .base import operation_options

        made = getattr(home, class_name)
        return made(**operation_options(cast("Step", self), verb, name, options), source=self, **settings)


def _names(names: str | Sequence[str] | None) -> list[str] | None:
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)
