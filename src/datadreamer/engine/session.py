"""`DataDreamer`: the session. A folder, its ledger, and the steps that run in it."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import _context
from ..errors import InvalidArgumentError, InvalidTypeError, SessionError
from ..steps.names import numbered
from . import logs
from .signals import hush_interrupt, interruptible
from .spending import checked_budget

if TYPE_CHECKING:
    from ..llms.budget import Budget
    from ..steps.step import Step
    from ..trainers.plan import TrainingPlan, TrainingResult
    from .progress import Progress

logger = logging.getLogger("datadreamer.engine")

MEMORY = ":memory:"
_lock = threading.Lock()
# The step or trainer whose `run()` this thread is inside of.
_inside: ContextVar[Any] = ContextVar("datadreamer_inside", default=None)


class DataDreamer:
    """A session: every step and trainer made inside it runs in it, and is found finished the next time.

        with DataDreamer("./output"):
            ...

    In notebooks `start()` and `stop()` do what entering and leaving the `with` do.

    Args:
        output_folder_path: the folder for results, made if need be; or `":memory:"`, which keeps nothing.
        verbose: True shows debug lines, False nothing below errors, None goes by `log_level`.
        log_level: a `logging` level. None: INFO.
        log_date: put the time in front of every line.
        hf_log: leave the log lines and bars of Hugging Face libraries on.
        wait: when another process works in the folder, wait for it instead of raising `FolderInUseError`.
        retry_failed: finished steps with failed rows try those rows again.
        budget: the most that all models of this run may spend; see `Budget`.
        shared_store: where else answers are looked for before a model is asked. The output folder of another project is
            only read; any other folder is made if need be, and this session's answers are left there as well. A path,
            or a list of them.

    Raises:
        InvalidArgumentError: the path is a file.
        FolderNotWritableError: nothing can be written there.
        FolderInUseError: another process works in the folder; the message has its pid and host.
        SessionError: a session is running already.
    """

    def __init__(
        self,
        output_folder_path: str | os.PathLike[str],
        verbose: bool | None = None,
        log_level: int | None = None,
        log_date: bool = False,
        hf_log: bool = False,
        *,
        wait: bool = False,
        retry_failed: bool = False,
        budget: Budget | None = None,
        shared_store: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    ) -> None:
        if not isinstance(output_folder_path, str | os.PathLike):
            raise InvalidTypeError(
                f"The output folder is a path or ':memory:', not {type(output_folder_path).__name__}."
            )
        if not str(output_folder_path).strip():
            raise InvalidArgumentError(
                "The output folder is an empty path. Give a folder, or ':memory:' to keep nothing."
            )
        self.in_memory = output_folder_path == MEMORY
        self.folder = None if self.in_memory else Path(output_folder_path).absolute()
        self.log_options = logs.Options(verbose, log_level, log_date, hf_log)
        self.wait, self.retry_failed, self.shared_store = wait, retry_failed, shared_store
        self.budget = checked_budget(budget, "the session's budget")
        self._workspace: Any = None
        self._guard: Any = None
        self._by_with = False
        self._joined: DataDreamer | None = None  # the running session that start() found, in a notebook

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> DataDreamer:
        """Open the session. Calling it again on a running session of the same folder does nothing."""
        from .shared import store_paths
        from .workspace import Workspace

        current = self._running()
        if current is self:
            return self
        if current is not None:
            if current.folder == self.folder and not current._by_with and not self.in_memory:
                self._joined = current  # the same notebook cell run again
                return current
            raise self._second(current)
        workspace = Workspace.open(self.folder, self.wait, store_paths(self.shared_store, self.folder))
        workspace.retry_failed = self.retry_failed
        try:
            with _lock:
                if _context.session() is not None:
                    raise SessionError("Another thread has just started a session.")
                _context.set_session(self)
        except BaseException:
            workspace.close()
            raise
        self._workspace, self._pid = workspace, os.getpid()
        self._names: dict[str, Any] = {}
        self._threads: dict[Any, threading.Thread] = {}
        logs.configure(self.log_options)
        self._guard = interruptible()
        self._guard.__enter__()
        logger.info("Session started: %s.", self._where())
        return self

    def stop(self, error: BaseException | None = None) -> None:
        """Close the session: wait for background steps, write the record, say what was done.

        Raises:
            Exception: what a background step raised that nobody has waited for.
        """
        if self._running() is not self:
            if self._joined is not None:
                self._joined.stop(error)
            return
        unseen: BaseException | None = None
        try:
            try:
                if not isinstance(error, KeyboardInterrupt | SystemExit):
                    unseen = self._end_background()
            except (KeyboardInterrupt, SystemExit) as interruption:  # while waiting for background steps
                unseen = interruption
                self._say_interrupted()
            self._say_goodbye(error or unseen)
        finally:
            _context.set_session(None)
            self._workspace.close()
            self._guard.__exit__(None, None, None)
            logs.restore()
        if unseen is not None and error is None:
            raise unseen

    def _end_background(self) -> BaseException | None:
        """Wait for background steps; gives what one of them raised that `wait()` has not raised yet."""
        unseen: BaseException | None = None
        for step, thread in list(self._threads.items()):
            thread.join()
            error = step._error
            if error is not None and not step._error_seen:
                logger.error("Step '%s' failed in the background: %s", step.name, error)
                unseen = unseen or error
        return unseen

    def _say_goodbye(self, error: BaseException | None) -> None:
        try:
            summary = self._workspace.finish(error)
        except Exception as problem:
            if error is None:
                raise
            logger.error("The record of this session could not be written: %s", problem)  # `error` is what matters
            return
        if summary:
            logger.info("%s", summary)

    def _say_interrupted(self) -> None:
        kept = f"Everything received so far is kept in {self.folder}: run the script again to go on."
        logger.warning("Interrupted. %s", kept if self.folder else "The session was in memory: nothing is kept.")
        hush_interrupt()

    def __enter__(self) -> DataDreamer:
        current = self._running()
        if current is not None:
            raise self._second(current)
        self.start()
        self._by_with = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self._say_interrupted()
        self.stop(error)

    def _running(self) -> DataDreamer | None:
        """The session of this process; that of the process that this one is a fork of is left to it."""
        current: DataDreamer | None = _context.session()
        if current is not None and current._pid != os.getpid():
            _context.set_session(None)
            return None
        return current

    def _second(self, running: DataDreamer) -> SessionError:
        return SessionError(
            f"A session is running already ({running._where()}). Leave its `with`, or call stop() on it, first: "
            "one process runs one session at a time."
        )

    def _where(self) -> str:
        return "in memory" if self.folder is None else str(self.folder)

    # --- published queries --------------------------------------------------------------------------------------------

    @staticmethod
    def initialized() -> bool:
        """Whether a session is running in this process."""
        return _context.session() is not None

    @staticmethod
    def is_running_in_memory() -> bool:
        """Whether the running session keeps nothing on disk."""
        current = _context.session()
        return current is not None and current.in_memory

    @staticmethod
    def is_background_process() -> bool:
        """Whether this code runs in the background of a session."""
        return threading.current_thread().name.startswith("datadreamer-step")

    @staticmethod
    def is_registered_thread() -> bool:
        """Whether this thread belongs to the running session: its main thread or one that runs a step."""
        return _context.session() is not None and (
            threading.current_thread() is threading.main_thread() or DataDreamer.is_background_process()
        )

    @staticmethod
    def get_output_folder_path() -> str:
        """The output folder of the running session.

        Raises:
            SessionError: no session is running, or it runs in memory.
        """
        current = _context.require_session("get_output_folder_path()")
        if current.folder is None:
            raise SessionError("The session runs in memory: it has no output folder.")
        return str(current.folder)

    # --- steps --------------------------------------------------------------------------------------------------------

    def run_step(self, step: Step) -> None:
        """Run a step that has just been constructed, or find it finished."""
        self._place(step)
        if step.background:
            self._in_background(step)
        else:
            self._run_now(step)

    def _run_now(self, step: Step) -> None:
        try:
            with self.entered(step), logs.for_step(step):
                self._workspace.run_step(step)
        except BaseException:
            self._names.pop(step.name, None)  # a step that failed may be made again under its name
            raise

    def _in_background(self, step: Step) -> None:
        import contextvars

        context = contextvars.copy_context()
        step._error, step._error_seen = None, False  # type: ignore[attr-defined]

        def work() -> None:
            try:
                context.run(self._run_now, step)
            except BaseException as error:  # surfaces where the step is waited for
                step._error = error  # type: ignore[attr-defined]

        thread = threading.Thread(target=work, name=f"datadreamer-step-{step.name}", daemon=True)
        self._threads[step] = thread
        thread.start()

    def wait_for(self, step: Step) -> None:
        """Wait for a background step; raises what it raised."""
        thread = self._threads.get(step)
        if thread is not None:
            thread.join()
        error = getattr(step, "_error", None)
        if error is not None:
            step._error_seen = True  # type: ignore[attr-defined]
            raise error

    def _place(self, step: Any) -> None:
        """Give a step or trainer its full name: inside its parent, and numbered when the name is taken."""
        from ..steps.step import SuperStep

        parent = _inside.get()
        if parent is not None:
            if not isinstance(parent, SuperStep):
                raise SessionError(
                    f"'{step.name}' was made inside run() of '{parent.name}', which is not a SuperStep. "
                    f"Derive {type(parent).__name__} from SuperStep to make steps inside it."
                )
            step.name = f"{parent.name} / {step.name}"
            step._inside = parent.name
        with _lock:
            for name in numbered(step.name):
                holder = self._names.get(name)
                if holder is None or self._may_replace(holder, step):
                    step.name = name
                    self._names[name] = step
                    return

    def _may_replace(self, holder: Any, step: Any) -> bool:
        """In a notebook a cell that runs again makes the same step; in a script a second one of the name is another."""
        return not self._by_with and type(holder).__qualname__ == type(step).__qualname__

    @contextmanager
    def entered(self, step: Any) -> Iterator[None]:
        """Code in the body belongs to `run()` of this step or trainer."""
        token = _inside.set(step)
        try:
            yield
        finally:
            _inside.reset(token)

    # --- what steps and trainers ask ----------------------------------------------------------------------------------

    def run_trainer(self, trainer: Any, plan: TrainingPlan) -> TrainingResult:
        """Train, or find the model trained; gives the result and places its folder at the trainer."""
        if self.folder is None:
            raise SessionError("A trainer keeps its model in the output folder: use a session with a folder.")
        self._place(trainer)
        try:
            with self.entered(trainer), logs.for_step(trainer):
                return self._workspace.run_trainer(trainer, plan)
        except BaseException:
            self._names.pop(trainer.name, None)
            raise

    def lost_rows(self, step: Step) -> Any:
        """The rows that a step lost, as a dataset."""
        from .lost import lost_rows

        return lost_rows(step, self._workspace.ledger)

    def on_progress(self, step: Step) -> None:
        """A step's own report, `self.progress = 0.5`."""
        bar: Progress | None = getattr(step, "_bar", None)
        if bar is not None and step.progress is not None:
            bar.update(bar.done, note=f"{step.progress:.0%}")

    def run_output_folder(self, step: Step) -> str:
        """The folder for files of `step.run()`."""
        if self.folder is None:
            raise SessionError("The session runs in memory: there is no folder for files of run().")
        return str(self._workspace.run_output_folder(step))

    def dataset_path(self, step: Step) -> str:
        """The folder with the Arrow files of a finished step."""
        if self.folder is None:
            raise SessionError("The session runs in memory: its results have no path.")
        return str(self._workspace.dataset_path(step))

    def print_data_card(self, step: Step) -> None:
        """Print where a step's rows came from, as JSON."""
        text = self._workspace.data_card(step)
        try:
            text.encode(sys.stdout.encoding or "utf-8")
        except UnicodeEncodeError:  # a terminal that knows no other letters than ASCII
            text = json.dumps(json.loads(text), indent=4)
        sys.stdout.write(text + "\n")

    def write_card(self, step: Step, folder: Path, **facts: Any) -> bool:
        """Write the step's card and record into a folder of exported rows; False for a step of another session."""
        if self._names.get(step.name) is not step:
            return False
        self._workspace.book.write_card(step.name, folder, **facts)
        return True

    @property
    def ledger(self) -> Any:
        """The session's durable record."""
        return self._workspace.ledger
