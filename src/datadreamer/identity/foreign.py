"""Values of packages that are not imported here, by content where that is simple: a value brings its own package."""

from __future__ import annotations

import sys
from typing import Any

from .nodes import Tagged
from .refusal import Refusal
from .registry import named

AS_INPUT = (
    "Give it to the step as an input (a data source step holds it, and its content digest counts), "
    "or pass plain Python values."
)


@named("numpy.ndarray")
def array(value: Any) -> Any:
    """An array by element type, shape and little-endian bytes in row-major order; objects one by one."""
    if value.dtype.hasobject:
        return Tagged("array", ["object", list(value.shape), value.ravel().tolist()])
    little = value.astype(value.dtype.newbyteorder("<"), copy=False)
    kind = little.dtype.str if little.dtype.names is None else little.dtype.descr
    content = Tagged("array", [kind, list(value.shape), little.tobytes()])
    return content if type(value).__name__ in ("ndarray", "memmap") else [content]  # a subclass keeps its name


@named("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray")
def masked_array(value: Any) -> Any:
    return [value.filled(), value.mask]


@named("numpy.generic")
def scalar(value: Any) -> Any:
    """A numpy number as an array without dimensions."""
    return array(sys.modules["numpy"].asarray(value))


@named("numpy.dtype", "torch.dtype", "torch.device", "pyarrow.lib.DataType", "pyarrow.lib.Schema", "pyarrow.lib.Field")
def by_text(value: Any) -> Any:
    return str(value)


@named("numpy.random.Generator", "numpy.random._generator.Generator")
def generator(value: Any) -> Any:
    """A random generator by its state."""
    return value.bit_generator.state


@named("numpy.random.RandomState", "numpy.random.mtrand.RandomState")
def random_state(value: Any) -> Any:
    return value.get_state(legacy=False)


@named("torch.Tensor")
def tensor(value: Any) -> Any:
    """A tensor by element type, shape and bytes; the device it is on does not count."""
    flat = value.detach().cpu().contiguous().flatten()
    raw = flat.view(sys.modules["torch"].uint8).numpy().tobytes()
    return Tagged("array", [str(value.dtype), list(value.shape), raw])


@named(
    "transformers.configuration_utils.PretrainedConfig",
    "transformers.configuration_utils.PreTrainedConfig",
    "transformers.generation.configuration_utils.GenerationConfig",
    "transformers.utils.quantization_config.QuantizationConfigMixin",
    "peft.config.PeftConfigMixin",
)
def configuration(value: Any) -> Any:
    """A configuration by its settings, without the version of the package that wrote it."""
    return {key: item for key, item in value.to_dict().items() if not key.endswith("_version")}


@named("zoneinfo.ZoneInfo")  # whose module is slow to load
def zone(value: Any) -> Any:
    return Tagged("zone", value.key)


@named("pandas.Timestamp", "pandas._libs.tslibs.timestamps.Timestamp")
def timestamp(value: Any) -> Any:
    return [value.isoformat(), str(value.tz) if value.tz is not None else None]


@named("pydantic.types.SecretStr", "pydantic.types.SecretBytes")
def secret(value: Any) -> Any:
    return Tagged("secret", None)


@named("pandas.core.generic.NDFrame", "pandas.DataFrame", "pandas.Series")
@named("pyarrow.lib._Tabular", "pyarrow.lib.Table", "pyarrow.lib.RecordBatch", "pyarrow.lib.ChunkedArray")
@named("polars.dataframe.frame.DataFrame", "datasets.arrow_dataset.Dataset")
def table(value: Any) -> Any:
    raise Refusal(
        f"a {type(value).__module__.split('.')[0]} {type(value).__name__}.",
        "Tables count by the digest of their rows, and a setting is not the place for rows.",
        AS_INPUT,
    )


@named("torch.nn.modules.module.Module")
def module(value: Any) -> Any:
    raise Refusal(
        f"a torch module ({type(value).__name__}).",
        "Its weights are too large to be read for every comparison.",
        "Pass the name and revision, or the folder, that it was loaded from.",
    )
