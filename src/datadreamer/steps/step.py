"""`Step`: a declared piece of work that gives a dataset. What happens around it is the engine's."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from .. import _context
from ..errors import InvalidArgumentError, InvalidTypeError, SessionError, StepOutputError, nearest
from .class_checks import refuse_hiding, refuse_init
from .declaration import Declaration, bind, declaration_of
from .fields import MISSING, Field, output, positional, runtime, setting
from .help import help_text
from .names import DerivedName, checked_name
from .operations.methods import Operations

if TYPE_CHECKING:
    from ..datasets import OutputDataset, OutputIterableDataset
    from .fields import Column

_POSITIONAL = (
    "name",
    "inputs",
    "args",
    "outputs",
    "progress_interval",
    "force",
    "verbose",
    "log_level",
    "save_num_proc",
    "save_num_shards",
    "background",
)


# What becomes of rows that fail, and what may be spent; by keyword, or in `args`.
_POLICY = ("max_failures", "retry_failed", "budget")


@dataclass_transform(kw_only_default=True, field_specifiers=(setting, runtime, output, positional))
class _Declared:
    """Carries the typing of declared fields; empty, because type checkers skip fields of the decorated class itself."""


class _Help:
    """`Step.help` and `step.help`: the declaration as text."""

    def __get__(self, instance: Step | None, owner: type[Step]) -> str:
        return help_text(owner, instance._declaration if instance is not None else _registered(owner))


class Step(_Declared, Operations):
    """A piece of work that reads columns, has settings, and gives a dataset.

    Inside a session a step runs (or is found finished) as soon as it is constructed. Outside one it is a declaration.

    Args:
        name: what the step is called in logs, cards and the output folder. It does not count in the fingerprint.
        inputs: input name to a column of another step, for example `{"document": papers["abstract"]}`.
        args: setting name to value. Inputs and settings may also be given as keywords.
        outputs: output name to the name it gets in the result.
        progress_interval: seconds between progress lines in the log.
        force: run even when a finished result exists.
        verbose: False silences this step's log lines, True shows debug lines.
        log_level: a `logging` level for this step alone.
        save_num_proc: processes used to write; never counts.
        save_num_shards: files to write; never counts.
        background: return at once and run in the background; `wait(step)` waits for it.
        max_failures: stop when more rows than this fail: a number of rows, or a share below 1. None: no bound.
        retry_failed: where a finished result has failed rows, try those rows again.
        budget: the most that this step may spend on models, besides what its session may; see `Budget`.

    Raises:
        InvalidArgumentError, InvalidTypeError: before anything runs.
    """

    name: str = positional(kw_only=False)
    inputs: Any = positional(kw_only=False, default=None)
    args: Any = positional(kw_only=False, default=None)
    outputs: Any = positional(kw_only=False, default=None)
    progress_interval: float | None = positional(kw_only=False, default=60)
    force: bool = positional(kw_only=False, default=False)
    verbose: bool | None = positional(kw_only=False, default=None)
    log_level: int | None = positional(kw_only=False, default=None)
    save_num_proc: int | None = positional(kw_only=False, default=None)
    save_num_shards: int | None = positional(kw_only=False, default=None)
    background: bool = positional(kw_only=False, default=False)
    max_failures: float | None = runtime(default=None)
    retry_failed: bool = runtime(default=False)
    budget: Any = runtime(default=None)

    version: ClassVar[float] = 1.0
    help: ClassVar[Any] = _Help()
    # How the columns of the result came about, where the declaration alone does not say; see `cards.record.Origin`.
    origins: ClassVar[Mapping[str, str]] = {}
    # What a model given as a setting does here; see `cards.record.Role`.
    model_role: ClassVar[str] = "generated-by"
    # True where the columns of the result are known only when it exists: data sources, operations.
    any_columns: ClassVar[bool] = False
    # True where all rows of all inputs are read, not one of each side by side: `concat`.
    one_after_the_other: ClassVar[bool] = False
    # "stored" runs and is kept; "view" selects from an existing result and copies nothing.
    keeps: ClassVar[str] = "stored"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_hiding(cls, Step)
        refuse_init(cls, Step)

    if not TYPE_CHECKING:  # for type checkers the signature comes from the declared fields

        def __init__(self, *positional_values: Any, **keywords: Any) -> None:
            self._start(_by_name(type(self), positional_values, keywords))

    # --- binding ------------------------------------------------------------------------------------------------------

    def _start(self, given: dict[str, Any]) -> None:
        """Bind what was given, then run inside the session, if there is one."""
        self._bind(given)
        session = _context.session()
        if session is not None:
            session.run_step(self)

    def _bind(self, given: dict[str, Any]) -> None:
        cls = type(self)
        declared = declaration_of(cls, Step)
        own = _own_names(declared)
        self._declaration = declared.without(own)
        self._result: Any = None
        self._progress: float | None = None
        self._data_card: dict[str, list[Any]] = {}
        self.name = _checked_name(cls, given.pop("name", MISSING))
        who = f"Step '{self.name}'"

        by_dictionary = {key: self._dictionary(who, key, given) for key in ("inputs", "args", "outputs")}
        for name in own - {"name", "inputs", "args", "outputs"}:
            default = declared.fields[name].default
            if name in _POLICY:
                default = by_dictionary["args"].pop(name, default)
            self.__dict__[name] = given.pop(name, default)
        self._given_inputs = {**by_dictionary["inputs"]}
        self._given = {**by_dictionary["args"], **given}
        self._registering = True
        self.setup()
        self._registering = False

        bound_inputs, bound_args = bind(self._declaration, who, by_dictionary["inputs"], by_dictionary["args"], given)
        self._inputs, self._args = bound_inputs, bound_args
        by_name = {name: bound_inputs.get(name) for name in self._declaration.inputs}
        for name, value in (*by_name.items(), *bound_args.items()):
            if (name in declared.fields and name not in own) or not hasattr(Step, name):
                self.__dict__[name] = value  # a name registered in setup() may be `sort`: the method stays
        # `inputs` and `args` are dictionaries on a bound step, unless a field of that name was declared
        self.__dict__.setdefault("inputs", by_name)
        self.__dict__.setdefault("args", dict(bound_args))
        self._renamed = _output_names(self._declaration, who, by_dictionary["outputs"], self.any_columns)
        self.__dict__.setdefault("outputs", dict(self._renamed))
        self.check()

    def _dictionary(self, who: str, key: str, given: dict[str, Any]) -> dict[str, Any]:
        """Take `inputs=`, `args=` or `outputs=` out of what was given, when it is the dictionary spelling."""
        value = given.get(key)
        if value is not None and not isinstance(value, Mapping):
            if key == "inputs" and declaration_of(type(self), Step).fields[key].role == "input":
                return {}  # the typed spelling of a field that is itself called `inputs`
            raise InvalidTypeError(f"{who}: {key} must be a dictionary, not {type(value).__name__} {value!r}."[:300])
        given.pop(key, None)
        return dict(value or {})

    # --- for subclasses -----------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Override to register inputs, arguments and outputs by code: for those known only at run time."""

    def check(self) -> None:
        """Override to refuse settings that can be seen to be wrong before anything runs."""

    def run(self) -> Any:
        """Override to work on the whole input: return or yield rows, columns, or lazy rows."""
        raise StepOutputError(f"{type(self).__name__} has neither run() nor process(): define one of them.")

    def identity(self) -> dict[str, Any]:
        """The settings that count in the fingerprint: all that are not `runtime()`."""
        runtime_names = self._declaration.of_role("runtime")
        return {name: value for name, value in self._args.items() if name not in runtime_names}

    def card_sources(self) -> list[Any]:
        """Where rows come from, for a step that brings data in: `cards.SourceUse` structs."""
        return []

    def expected_rows(self) -> int | None:
        """How many rows will come out, for progress, when that is not the number of input rows."""
        return None

    def card_prompts(self) -> list[tuple[str, str]]:
        """Instructions and templates in full, as (role, text), for the card."""
        return []

    def register_input(self, input_column_name: str, required: bool = True, help: str | None = None) -> None:
        """Declare an input column, in `setup()`."""
        default = MISSING if required else None
        self._register("register_input", Field("input", input_column_name, default=default, help=help))

    def register_arg(
        self,
        arg_name: str,
        required: bool = True,
        default: Any = None,
        help: str | None = None,
        default_help: str | None = None,
    ) -> None:
        """Declare a setting, in `setup()`. `"**kwargs"` lets any further setting in."""
        if arg_name == "**kwargs":
            self._require_setup("register_arg")
            self._declaration.any_args = True
            return
        default = MISSING if required else default
        self._register(
            "register_arg", Field("setting", arg_name, default=default, help=help, default_help=default_help)
        )

    def register_output(self, output_column_name: str, help: str | None = None) -> None:
        """Declare a column of the result, in `setup()`."""
        self._register("register_output", Field("output", output_column_name, help=help))

    def order_outputs(self, *names: str) -> None:
        """Put the columns of the result into this order, in `setup()`: those of the class body come first otherwise."""
        self._require_setup("order_outputs")
        outputs = self._declaration.outputs
        self._declaration.outputs = {**{name: outputs[name] for name in names}, **outputs}

    def register_data_card(self, data_card_type: str, data_card: Any) -> None:
        """Add an entry to this step's data card, in `setup()` or `run()`. None is ignored."""
        if not isinstance(data_card_type, str):
            raise InvalidTypeError(f"A data card type is a string, not {type(data_card_type).__name__}.")
        if data_card is not None:
            self._data_card.setdefault(data_card_type, []).append(data_card)

    def _register(self, what: str, item: Field) -> None:
        self._require_setup(what)
        if not isinstance(item.name, str):
            raise InvalidTypeError(f"{what}() takes a name as a string, not {type(item.name).__name__} {item.name!r}.")
        known = self._declaration.fields.get(item.name)
        if known is not None and {known.role, item.role} == {"input", "setting"}:
            raise InvalidArgumentError(
                f"{type(self).__name__}: '{item.name}' is declared twice, as an input and as an argument. "
                "Give one of them another name."
            )
        self._declaration.add(item)

    def _require_setup(self, what: str) -> None:
        if not getattr(self, "_registering", False):
            raise SessionError(f"{what}() may be called in setup() only.")

    def get_run_output_folder_path(self) -> str:
        """A folder for files that `run()` wants to keep beside its result."""
        return _context.require_session("get_run_output_folder_path()").run_output_folder(self)

    def pickle(self, value: Any, *args: Any, **kwargs: Any) -> bytes:
        """Refused: a result that holds pickles would run code on the machine of whoever opens it."""
        raise InvalidArgumentError(
            "Nothing is pickled: whoever opened the result would run its code. Return JSON values, NumPy arrays, "
            "images or bytes instead; for other files, write them to get_run_output_folder_path()."
        )

    unpickle = pickle

    @property
    def logger(self) -> logging.Logger | logging.LoggerAdapter[Any]:
        """Writes lines that carry this step's name."""
        return _StepLogger(logging.getLogger("datadreamer.step"), {"step": self.name})

    # --- results ------------------------------------------------------------------------------------------------------

    @property
    def progress(self) -> float | None:
        """Share of the work done, 0 to 1; None before the first report."""
        return self._progress

    @progress.setter
    def progress(self, value: float) -> None:
        self._progress = max(self._progress or 0.0, min(1.0, float(value)))
        session = _context.session()
        if session is not None:
            session.on_progress(self)

    @property
    def output(self) -> OutputDataset | OutputIterableDataset:
        """The result.

        Raises:
            StepOutputError: the step has not run: no session, still in the background, or it failed.
        """
        if self._result is None:
            raise StepOutputError(
                f"Step '{self.name}' has no output: it has not run. A step runs inside a session "
                '(with DataDreamer("./output"): …); one with background=True is ready after wait(step).'
            )
        return self._result.dataset()

    def __getitem__(self, column: str) -> Column[Any]:
        """A column of the result: `step["abstract"]` is short for `step.output["abstract"]`."""
        return self.output[column]

    def head(self, n: int = 5, shuffle: bool = False, seed: int | None = None, buffer_size: int = 1000) -> Any:
        """The first rows (or random ones) as a pandas DataFrame."""
        return self.output.head(n=n, shuffle=shuffle, seed=seed, buffer_size=buffer_size)

    @property
    def output_name_mapping(self) -> dict[str, str]:
        """Declared name of every column of the result, to the name it has there."""
        if self.any_columns and self._result is not None:
            return {name: name for name in self.output.column_names}
        return dict(self._renamed)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the result's columns, as renamed by `outputs`."""
        return tuple(self.output_name_mapping.values())

    @property
    def fingerprint(self) -> str:
        """The workflow fingerprint (`ddw1:…`): what was asked for, over this step and all it reads."""
        from .fingerprint import fingerprints

        return fingerprints(self).workflow

    @property
    def dataset_path(self) -> str:
        """The folder that holds the result's Arrow files."""
        return _context.require_session("dataset_path").dataset_path(self)

    def lost_rows(self) -> OutputDataset:
        """The input rows that failed, as a dataset, in the order of the input. Inside the session in which it ran.

        Columns: `row` (position in the input), `reason` (a short word), `message`, `attempts`, `input_tokens` and
        `output_tokens` (what was paid for the row), `request_key`, and the step's input columns under the names of its
        inputs (`input_…` where one is called as a column of ours). `retry_failed=True` runs these rows alone again.

        Raises:
            SessionError: no session is running.
        """
        return _context.require_session("lost_rows()").lost_rows(self)

    def data_card(self) -> None:
        """Print what is known about where this result came from, as JSON."""
        _context.require_session("data_card()").print_data_card(self)

    def __repr__(self) -> str:
        state = "finished" if self._result is not None else "not run"
        computed = self._result is not None and not hasattr(self._result.dataset(), "digest")
        names = "?" if computed and self.any_columns else ", ".join(self.output_names)  # no row is made to see them
        return f"<{type(self).__name__} '{self.name}' ({state}): {names}>"


class SuperStep(Step):
    """A step whose `run()` makes other steps. They are named `"parent / child"` and kept in its folder."""

    keeps: ClassVar[str] = "stored"


def _own_names(declared: Declaration) -> set[str]:
    """What every step is given, as far as the class has not declared it anew."""
    return {name for name in (*_POSITIONAL, *_POLICY) if declared.fields[name].role == "runtime"}


def _by_name(cls: type[Step], values: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    if len(values) > len(_POSITIONAL):
        raise InvalidArgumentError(f"{cls.__name__} takes at most {len(_POSITIONAL)} values without a name.")
    given = dict(zip(_POSITIONAL, values, strict=False))
    for name, value in keywords.items():
        if name in given:
            raise InvalidArgumentError(f"{cls.__name__} got '{name}' twice.")
        given[name] = value
    return given


def _checked_name(cls: type[Step], name: Any) -> str:
    if name is MISSING:
        raise InvalidArgumentError(f'{cls.__name__} needs a name as its first argument: {cls.__name__}("Name", …)')
    if not isinstance(name, str):
        raise InvalidTypeError(f"A step's name is a string, not {type(name).__name__} {name!r}.")
    return str(name) if isinstance(name, DerivedName) else checked_name(name, "step")


def _output_names(declared: Declaration, who: str, renames: Mapping[str, str], any_columns: bool) -> dict[str, str]:
    known = declared.outputs
    for name, new in renames.items():
        if name not in known:
            raise InvalidArgumentError(f"{who} has no output '{name}'. {nearest(name, known)}")
        if not isinstance(new, str) or not new:
            raise InvalidTypeError(f"{who}: the output '{name}' must be renamed to a non-empty string, not {new!r}.")
    if not known and not any_columns:
        raise InvalidArgumentError(
            f"{who} declares no output: write `summary: str = output()` in its class, or register_output() in setup()."
        )
    mapping = {name: renames.get(name, name) for name in known}
    if len(set(mapping.values())) < len(mapping):
        twice = sorted({n for n in mapping.values() if list(mapping.values()).count(n) > 1})
        raise InvalidArgumentError(f"{who}: two outputs would both be called '{twice[0]}'. Rename one of them.")
    return mapping


def _registered(cls: type[Step]) -> Declaration:
    """The declaration with what `setup()` registers, for `Step.help` on a class."""
    bare = object.__new__(cls)
    declared = declaration_of(cls, Step)
    bare._declaration = declared.without(_own_names(declared))
    bare._given, bare._given_inputs, bare._data_card, bare.name = {}, {}, {}, cls.__name__
    bare._registering = True
    try:
        bare.setup()
    except Exception:  # a setup() that looks at its inputs has more to declare than can be known here
        pass
    return bare._declaration


class _StepLogger(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return f"(Step '{(self.extra or {}).get('step')}') {msg}", kwargs


def __getattr__(name: str) -> Any:
    # The published home of the operation classes and of concat() and zipped() is this module.
    from .operations import TABLE

    if name in TABLE:
        return getattr(importlib.import_module(f"datadreamer.steps.operations.{TABLE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
