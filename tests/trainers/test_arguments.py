"""What can be known to be wrong is refused before anything is loaded, with the name of it and the cure."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tiny
from peft import LoraConfig

from datadreamer.datasets import OutputIterableDataset
from datadreamer.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    SessionError,
    TrainingError,
)
from datadreamer.trainers import TrainHFClassifier, TrainHFFineTune
from datadreamer.trainers.arguments import argument_names
from datadreamer.trainers.configs import adapter_settings
from datadreamer.trainers.job import prepare_job


@pytest.fixture
def planned(here, models):
    """Makes the plan of a training that is not run."""
    here.only_plan = True
    rows = tiny.columns(q=["a", "b", "c"], a=["x", "y", "z"])

    def plan(trainer=None, columns=None, **kwargs):
        trainer = trainer or TrainHFFineTune("t", models["causal"])
        trainer.train(*(columns or (rows["q"], rows["a"])), **kwargs)
        return here.plans[-1]

    return plan


def test_the_names_of_training_arguments_are_those_of_the_installed_version():
    from dataclasses import fields

    from transformers import TrainingArguments

    assert argument_names() == {field.name for field in fields(TrainingArguments) if not field.name.startswith("_")}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"learning_rat": 1}, InvalidArgumentError, r"no argument 'learning_rat'.*Did you mean 'learning_rate'\?"),
        ({"num_train_epochs": 1}, InvalidArgumentError, "Use epochs="),
        ({"output_dir": "x"}, InvalidArgumentError, "The session decides where files go"),
        ({"epochs": 0}, InvalidArgumentError, "epochs=0, but it is a number above 0"),
        ({"batch_size": 2.5}, InvalidArgumentError, "batch_size=2.5"),
        ({"batch_size": "8"}, InvalidTypeError, "batch_size is a whole number"),
        ({"learning_rate": float("nan")}, InvalidArgumentError, "learning_rate=nan"),
        ({"early_stopping_patience": 3}, InvalidArgumentError, "needs validation rows"),
        ({"early_stopping_patience": 0}, InvalidArgumentError, "early_stopping_patience=0"),
        ({"compute_metrics": "accuracy"}, InvalidTypeError, "compute_metrics is a str, not a function"),
        ({"optimizers": 3}, InvalidTypeError, "optimizers is a pair"),
        ({"lr_scheduler_kwargs": {"f": print}}, InvalidTypeError, "lr_scheduler_kwargs"),
        ({"fsdp": "full_shard"}, InvalidArgumentError, "fsdp cannot be given"),
    ],
)
def test_bad_options_of_train_are_refused(planned, given, error, message):
    with pytest.raises(error, match=message):
        planned(**given)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"device": ["cuda:0", "cuda:1"]}, InvalidArgumentError, "names 2 devices"),
        ({"device": "gpu"}, InvalidArgumentError, "device='gpu' is no device"),
        ({"fsdp": True}, InvalidArgumentError, "fsdp spreads a training over several devices"),
        ({"distributed_config": {}}, InvalidArgumentError, "distributed_config"),
        ({"dtype": "int8"}, InvalidArgumentError, "dtype='int8'"),
        ({"device_map": "auto"}, InvalidArgumentError, "device_map cannot be given"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, InvalidArgumentError, "peft_config"),
        ({"peft_config": 8}, InvalidTypeError, "peft_config is a int"),
        ({"chat_prompt_template": "no place"}, InvalidArgumentError, "no place for the prompt"),
    ],
)
def test_bad_arguments_of_a_trainer_are_refused(models, given, error, message):
    with pytest.raises(error, match=message):
        TrainHFFineTune("t", models["causal"], **given)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a\nb"])
def test_a_name_that_cannot_be_a_folder_is_refused(models, name):
    with pytest.raises(InvalidArgumentError):
        TrainHFFineTune(name, models["causal"])


def test_columns_are_checked(planned):
    rows = tiny.columns(q=["a", "b", "c"], a=["x", "y", "z"], n=[1, 2, 3])
    short = tiny.columns(a=["x"])
    empty = tiny.columns(a=[])
    for columns, error, message in [
        ((["a"], rows["a"]), InvalidTypeError, r'train_input is a list.*step.output\["prompts"\]'),
        ((rows, rows["a"]), InvalidTypeError, r'all columns.*step.output\["q"\]'),
        ((rows["q"], rows["n"]), InvalidTypeError, "train_output holds int64, but each cell should be text"),
        ((rows["q"], short["a"]), InvalidArgumentError, "train_input has 3, train_output has 1"),
        ((empty["a"], empty["a"]), InvalidArgumentError, "train_input has no rows"),
        ((rows["q"], None), InvalidArgumentError, "train_output is missing"),
        ((rows["q"], rows["a"], rows["q"]), InvalidArgumentError, "validation_output is missing"),
    ]:
        with pytest.raises(error, match=message):
            planned(columns=columns)


def test_lazy_columns_are_checked_when_they_are_written(planned, tmp_path):
    def lazy(*answers):
        rows = [{"q": "a", "a": answer} for answer in answers]
        return OutputIterableDataset(None, lambda: iter(rows), column_names=["q", "a"])

    for rows, error, message in [
        (lazy("x", None), InvalidArgumentError, "Row 1 of train_output is empty"),
        (lazy("x", 3), InvalidTypeError, "cells of different types"),
        (lazy(), InvalidArgumentError, "no rows"),
    ]:
        plan = planned(columns=(rows["q"], rows["a"]))
        with pytest.raises(error, match=message):
            prepare_job("t", plan, tmp_path / "job")
    good = lazy("x", "y")
    job = prepare_job("t", planned(columns=(good["q"], good["a"])), tmp_path / "good")
    assert (job.data / "train.arrow").exists()


def test_a_missing_model_is_named(planned, models, tmp_path):
    with pytest.raises(InvalidArgumentError, match="nowhere"):
        planned(TrainHFFineTune("t", str(tmp_path / "nowhere")))
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": models["causal"]}))
    with pytest.raises(InvalidArgumentError, match="is an adapter, and training starts from a whole model"):
        planned(TrainHFFineTune("t", str(tmp_path / "adapter")))


def test_a_trainer_needs_a_session_and_trains_once(here, models, pairs):
    trainer = TrainHFFineTune("once", models["causal"], device="cpu")
    with pytest.raises(TrainingError, match="has not been trained yet"):
        trainer.model_path  # noqa: B018
    trainer.train(pairs["question"], pairs["answer"], epochs=0.2)
    with pytest.raises(TrainingError, match="has been trained already"):
        trainer.train(pairs["question"], pairs["answer"])
    here.in_memory = True
    with pytest.raises(SessionError, match="in memory"):
        TrainHFFineTune("memory", models["causal"]).train(pairs["question"], pairs["answer"])


def test_what_counts_and_what_does_not(planned, models, tmp_path):
    def identity(trainer_options=None, **kwargs):
        return planned(TrainHFFineTune("t", models["causal"], **(trainer_options or {})), **kwargs).identity()

    same = identity()
    assert identity({"device": "cpu"}, logging_steps=7, dataloader_num_workers=2, save_total_limit=3) == same
    import shutil

    moved = shutil.copytree(models["causal"], tmp_path / "moved")
    assert planned(TrainHFFineTune("other name", str(moved))).identity() == same
    for other in (
        identity(epochs=4), identity(seed=1), identity(lr_scheduler_type="cosine"), identity(max_grad_norm=0.5),
        identity({"peft_config": {"r": 4}}), identity({"system_prompt": "be brief"}), identity(truncate=False),
        identity(compute_metrics=len),
    ):  # fmt: skip
        assert other != same
    (tmp_path / "moved" / "config.json").write_text(
        (tmp_path / "moved" / "config.json").read_text().replace("gelu_new", "relu")
    )
    assert planned(TrainHFFineTune("t", str(moved))).identity() != same


def test_a_token_reaches_the_worker_and_no_file(planned, models, tmp_path):
    secret = "hf_" + "x" * 30
    plan = planned(TrainHFFineTune("t", models["causal"], token=secret))
    job = prepare_job("t", plan, tmp_path)
    assert job.secrets == {"HF_TOKEN": secret}
    assert secret not in job.to_line().decode() and secret not in repr(plan) and secret not in str(plan.identity())


def test_a_lora_config_and_its_dict_are_the_same_plan():
    assert adapter_settings({"r": 4, "lora_alpha": 8})["target_modules"] == "all-linear"
    given = adapter_settings(LoraConfig(r=4, target_modules={"v_proj", "q_proj"}, base_model_name_or_path="/home/me/x"))
    assert given["peft_type"] == "LORA" and given["target_modules"] == ["q_proj", "v_proj"]
    assert "base_model_name_or_path" not in given and json.dumps(given)


def test_importing_the_room_loads_the_standard_library_only():
    code = "import sys, datadreamer.trainers; print([m for m in ('torch', 'pyarrow', 'msgspec') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_classifier_has_no_chat_template(models):
    with pytest.raises(TypeError):
        TrainHFClassifier("t", models["llama"], chat_prompt_template="{{prompt}}")
