"""Training inside a session: found trained, or trained in a worker process, then put in its place whole."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .. import __version__, _context, identity
from ..cards import Calls, Determinism, LicenseFact, ModelInfo, ModelUse, TrainerRecord, encode_record
from ..cards.sealing import sealed
from ..ledger import FileDigests, StepEvent, atomic_write
from ..steps.fingerprint import KEY_PREFIX, WORKFLOW_PREFIX, origin_of
from ..trainers.job import TrainingJob, prepare_job
from ..trainers.plan import TrainingPlan, TrainingResult
from .executors.process import run_job
from .finding import Finder
from .progress import Progress, duration
from .record import cleaned, input_use, parents, public_name
from .redaction import CleanRows, clean_files
from .session_facts import redactor

if TYPE_CHECKING:
    from .workspace import Workspace

logger = logging.getLogger("datadreamer.engine")

RECORD = "trainer.json"
RESULT = "training.json"  # the worker's own account, kept beside the model


def run_trainer(workspace: Workspace, trainer: Any, plan: TrainingPlan) -> TrainingResult:
    """Give the trained model its folder, training it first unless it is there."""
    return _Training(workspace, trainer, plan).run()


class _Training:
    def __init__(self, workspace: Workspace, trainer: Any, plan: TrainingPlan) -> None:
        self.workspace, self.trainer, self.plan = workspace, trainer, plan
        self.store = workspace.store
        self.label = self.store.claim(trainer.name)
        self.counted = plan.identity()
        self.key = identity.digest(self.counted, KEY_PREFIX)
        columns = {name: origin_of(column) for name, column in plan.columns.items()}
        self.fingerprint = identity.digest({**self.counted, "columns": columns}, WORKFLOW_PREFIX)
        self.finder: Finder[TrainerRecord] = Finder(self.store, RECORD, TrainerRecord, self._whole)

    def run(self) -> TrainingResult:
        why, name = "forced", self.trainer.name
        if self.trainer.force:
            logger.info("Trainer '%s' trains again: it is forced to (force=True).", name)
        else:
            found = self.finder.find(name, self.label, self.key)
            if found.finished is not None:
                return self._reuse(found.finished)
            if found.replaced is not None:
                self._explain(found.replaced)
            why = "changed" if found.replaced is not None else "corrupt" if found.damaged else "first"
        return self._train(why)

    # --- found --------------------------------------------------------------------------------------------------------

    def _whole(self, folder: Path, record: TrainerRecord) -> bool:
        if not (folder / RESULT).is_file() or not (folder / "_model").is_dir():
            logger.warning("The model of '%s' is not whole: it is trained again.", record.name)
            return False
        if self._digest(folder / "_model") != record.model.digest:
            logger.warning("The model files of '%s' are not those that were trained: trained again.", record.name)
            return False
        return True

    def _digest(self, folder: Path) -> str:
        return FileDigests(self.workspace.ledger).tree(folder)

    def _reuse(self, record: TrainerRecord) -> TrainingResult:
        folder = self.store.path(self.label)
        self.store.clear(self.key)
        self._place(folder)
        self._event("hit")
        self.workspace.book.add(record, self.trainer.name, self.label, hit=True)
        logger.info("Trainer '%s' is finished already: nothing to do.", self.trainer.name)
        return msgspec.json.decode((folder / RESULT).read_bytes(), type=TrainingResult)

    def _explain(self, replaced: TrainerRecord) -> None:
        difference = identity.first_difference(replaced.view, redactor().json(identity.view(self.counted)))
        logger.info("Trainer '%s' trains again: %s", self.trainer.name, difference or "it has changed.")

    # --- trained ------------------------------------------------------------------------------------------------------

    def _train(self, why: str) -> TrainingResult:
        started = time.time()
        work = self.store.work(self.key)
        if self.trainer.force:
            shutil.rmtree(work, ignore_errors=True)
        self._event("started", {"why": why})
        done = work / "done"
        result = self._trained_before(done) or self._trained_now(work, done)
        record = self._record(result, done, started)
        if why == "corrupt":
            self.store.discard(self.label)
        self._commit(done, work, record)
        self._say_finished(result)
        return result

    def _trained_before(self, done: Path) -> TrainingResult | None:
        """What a session that was killed between the training and its commit had in its hands."""
        if not ((done / "_model").is_dir() and (done / RESULT).is_file()):
            return None
        return msgspec.json.decode((done / RESULT).read_bytes(), type=TrainingResult)

    def _trained_now(self, work: Path, done: Path) -> TrainingResult:
        logger.info("Trainer '%s' is training.", self.trainer.name)
        progress = Progress(f"Trainer '{self.trainer.name}'", None, _context.CallStats(), 60, unit="steps")
        job = prepare_job(self.trainer.name, self.plan, work / "job", CleanRows())
        try:
            result = self._result(job, _Listener(self.trainer, progress))
        except BaseException as error:
            self._event("failed", {"error": f"{type(error).__name__}: {error}"})
            self.workspace.ledger.flush()
            raise
        finally:
            progress.close()
        done.mkdir(exist_ok=True)
        atomic_write(done / RESULT, redactor().data(msgspec.json.format(msgspec.json.encode(result), indent=1)))
        clean_files(job.model)
        job.model.rename(done / "_model")  # last: with it, the training is over
        return result

    def _result(self, job: TrainingJob, listener: _Listener) -> TrainingResult:
        if self.plan.service is not None:
            return self.plan.service(job, listener)
        return msgspec.convert(run_job(job, listener), TrainingResult)

    def _commit(self, done: Path, work: Path, record: TrainerRecord) -> None:
        before = self.finder.read(self.store.path(self.label))
        record.session = self.workspace.session.id
        record.environment = self.workspace.book.environment()
        atomic_write(done / RECORD, sealed(encode_record(record)))
        self.workspace.ledger.flush()
        folder = self.store.commit(done, self.label, before.key if before else None)
        shutil.rmtree(work, ignore_errors=True)
        self._place(folder)
        self._event("finished")
        self.workspace.book.add(record, self.trainer.name, self.label, hit=False)

    def _place(self, folder: Path) -> None:
        self.trainer.folder, self.trainer.fingerprint = folder, self.fingerprint
        self.workspace.place(self.trainer, folder)

    def _event(self, kind: str, data: dict[str, Any] | None = None) -> None:
        event = StepEvent(step=self.trainer.name, kind=kind, fingerprint=self.key, data=data or {})
        self.workspace.ledger.put_step(event)

    def _record(self, result: TrainingResult, done: Path, started: float) -> TrainerRecord:
        trainer, plan, ended = self.trainer, self.plan, max(time.time(), started)
        files = [path for path in (done / "_model").rglob("*") if path.is_file()]
        record = TrainerRecord(
            name=trainer.name,
            kind=f"{type(trainer).__module__}.{type(trainer).__qualname__}",
            label=self.label,
            doc=" ".join((type(trainer).__doc__ or "").strip().split("\n\n")[0].split()) or None,
            fingerprint=self.fingerprint,
            key=self.key,
            view=redactor().json(identity.view(self.counted)),
            base_model=self._base_model(),
            library="peft" if result.adapter else trainer.library,
            pipeline_tag=getattr(trainer, "pipeline_tag", None),
            settings=redactor().json({**plan.settings, "callables": sorted(plan.callables)}),
            chat_template=result.chat_template,
            columns=[input_use(name, column) for name, column in plan.columns.items()],
            metrics_before=_told(result.metrics_before),
            metrics=_told(result.metrics),
            history=result.history,
            model=ModelInfo(
                digest=self._digest(done / "_model"),
                path="_model",
                format=trainer.model_format,
                size_bytes=sum(path.stat().st_size for path in files),
                adapter_only=result.adapter,
                parameters=result.total_parameters,
                trainable_parameters=result.trainable_parameters,
            ),
            calls=Calls(),
            started=started,
            ended=ended,
            seconds=ended - started,
            determinism=Determinism(level=trainer.determinism[0], why=trainer.determinism[1]),
            library_version=__version__,
            parents=parents(plan.columns),
        )
        return cleaned(record)

    def _base_model(self) -> ModelUse:
        trainer, spec = self.trainer, self.plan.model_spec
        license_text = trainer.license
        return ModelUse(
            name=public_name(trainer.model_name),
            role="trained-from",
            provider=trainer.provider,
            asked=public_name(trainer.model_name),
            revision=spec.get("commit") or spec.get("revision"),
            digest=spec.get("digest") or spec.get("content"),
            spec=spec,
            license=LicenseFact(text=license_text, stated_by="model card") if license_text else None,
            citations=list(trainer.citation or []),
            card_url=trainer.base_model_card,
        )

    def _say_finished(self, result: TrainingResult) -> None:
        losses = [entry["loss"] for entry in result.history if entry.get("loss") is not None]
        parts = [f"{result.steps:,} steps, {result.epochs:.2g} epochs"]
        if losses:
            parts.append(f"loss {losses[0]:.3f} → {losses[-1]:.3f}")
        for name, value in _numbers(_told(result.metrics)).items():
            if name == "loss":
                continue  # told already
            before = result.metrics_before.get(name)
            parts.append(f"{name} {before:.3f} → {value:.3f}" if before is not None else f"{name} {value:.3f}")
        parts.append(duration(result.train_seconds))
        logger.info("Trainer '%s' finished: %s.", self.trainer.name, ", ".join(parts))


class _Listener:
    """Turns what the worker tells into progress and log lines."""

    def __init__(self, trainer: Any, progress: Progress) -> None:
        self.trainer, self.progress = trainer, progress
        self._note = ""

    def __call__(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "progress":
            self.progress.total = event["total"]
            self.progress.update(event["step"], self._note)
        elif kind == "metrics" and event.get("loss") is not None:
            self._note = f"loss {event['loss']:.3f}"
        elif kind == "log":
            level = logging.WARNING if event["level"] == "warning" else logging.INFO
            logger.log(level, "Trainer '%s': %s", self.trainer.name, event["message"])


def _told(metrics: dict[str, float | None]) -> dict[str, float | None]:
    """The metrics without the one that only breaks ties between checkpoints."""
    return {name: value for name, value in metrics.items() if not name.endswith("_joint")}


def _numbers(metrics: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}
