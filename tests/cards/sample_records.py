"""A realistic run, as plain records: a source and a prompt step, joined, filtered, judged, trained on, used again."""

from datadreamer.cards import (
    Calls,
    Determinism,
    EnvironmentInfo,
    InputUse,
    LicenseFact,
    LossSummary,
    ModelInfo,
    ModelUse,
    OutputColumn,
    PromptText,
    Rows,
    RunRecord,
    SessionInfo,
    SourceUse,
    StepRecord,
    TrainerRecord,
    closure,
    derive_synthetic,
    totals,
)

START = 1_790_000_000.0
GPT_BIBTEX = "@article{openai2023gpt4,\n  title={GPT-4 Technical Report},\n  author={OpenAI},\n  year={2023}\n}"


def gpt(role="generated-by", **changes):
    facts = {
        "name": "OpenAI(gpt-4o-mini)",
        "role": role,
        "provider": "openai",
        "endpoint": "api.openai.com",
        "asked": "gpt-4o-mini",
        "served": {"gpt-4o-mini-2024-07-18": 1000},
        "sampling": {"temperature": 1.0, "top_p": 0.95},
        "terms": LicenseFact(
            text="OpenAI terms of use", url="https://openai.com/policies/terms-of-use", date="2026-01-01"
        ),
        "citations": [GPT_BIBTEX],
        "card_url": "https://platform.openai.com/docs/models/gpt-4o-mini",
    }
    return ModelUse(**(facts | changes))


def columns(*names, **digests):
    found = [OutputColumn(name=name, type="string", digest=f"ddc1:{name}") for name in names]
    return found + [OutputColumn(name=name, type="string", digest=digest) for name, digest in digests.items()]


def step(name, kind, order, count, **changes):
    facts = {
        "name": name,
        "kind": f"datadreamer.steps.{kind}",
        "label": name.lower().replace(" ", "-"),
        "fingerprint": f"ddw1:{order:064x}",
        "dataset": {"rows": count, "digest": f"ddc1:{order:064x}"},
        "rows": Rows(input=count, output=count),
        "started": START + 60 * order,
        "ended": START + 60 * order + 30,
        "seconds": 30.0,
        "determinism": Determinism(level="D4", why="pure"),
        "environment": "dde1:e",
        "session": "s1",
        "library_version": "1.0.0",
    }
    return StepRecord(**(facts | changes))


def source_step(**changes):
    source = SourceUse(
        name="NLP papers",
        kind="huggingface",
        uri="acl/papers",
        split="train",
        revision="0123abc",
        rows=400,
        license=LicenseFact(
            id="CC-BY-SA-4.0", url="https://creativecommons.org/licenses/by-sa/4.0", stated_by="README"
        ),
        citations=["@inproceedings{acl, title={Papers}}"],
        homepage="https://huggingface.co/datasets/acl/papers",
    )
    facts = {
        "outputs": columns(abstracts="ddc1:real"),
        "sources": [source],
        "rows": Rows(input=0, expanded=400, output=400),
        "determinism": Determinism(level="D1", why="a pinned commit"),
    }
    return step("Papers", "sources.HFHubDataSource", 1, 400, **(facts | changes))


def generated_step():
    return step(
        "Generate abstracts",
        "prompting.DataFromPrompt",
        2,
        600,
        doc="Ask for the same thing n times.",
        outputs=columns("prompts", abstracts="ddc1:synthetic"),
        models=[gpt()],
        prompts=[PromptText(role="instruction", text="Write an abstract of an NLP paper.")],
        rows=Rows(input=0, expanded=602, output=600, failed={"content filter": 2}),
        calls=Calls(calls=590, hits=10, failures=2, input_tokens=6000, output_tokens=90_000, cost_usd=0.0549),
        determinism=Determinism(level="D0", why="'gpt-4o-mini' is an alias"),
    )


def joined_step():
    return step(
        "Join",
        "operations.ConcatStep",
        3,
        1000,
        outputs=columns(abstracts="ddc1:joined"),
        parents=["Papers", "Generate abstracts"],
    )


def tweets_step():
    return step(
        "Summarise as tweets",
        "prompting.ProcessWithPrompt",
        4,
        1000,
        outputs=columns("prompts", "tweets", abstracts="ddc1:joined"),
        inputs=[InputUse(name="inputs", step="Join", column="abstracts", digest="ddc1:joined")],
        parents=["Join"],
        models=[gpt()],
        prompts=[PromptText(role="instruction", text="Summarise the abstract as a tweet.")],
        calls=Calls(calls=1000, input_tokens=200_000, output_tokens=40_000, cost_usd=0.054),
        determinism=Determinism(level="D1", why="sampled"),
    )


def judged_step():
    return step(
        "Keep the good ones",
        "prompting.FilterWithPrompt",
        5,
        900,
        outputs=[OutputColumn(name=name, type="string") for name in ("abstracts", "tweets")],
        inputs=[InputUse(name="inputs", step="Summarise as tweets", column="tweets")],
        parents=["Summarise as tweets"],
        models=[gpt(role="judged-by")],
        rows=Rows(input=1000, output=900, filtered=97, failed={"no verdict": 3}),
        calls=Calls(calls=1000, input_tokens=9000, output_tokens=1000),
        determinism=Determinism(level="D1", why="sampled"),
    )


def trainer():
    return TrainerRecord(
        name="Train abstract to tweet",
        kind="datadreamer.trainers.TrainHFFineTune",
        label="train-abstract-to-tweet",
        fingerprint="ddw1:t",
        base_model=ModelUse(
            name="t5",
            role="trained-from",
            provider="huggingface",
            asked="google/t5-v1_1-base",
            revision="b5fc947",
            license=LicenseFact(id="Apache-2.0", stated_by="model card"),
        ),
        pipeline_tag="text2text-generation",
        library="transformers",
        settings={"epochs": 3, "learning_rate": 1e-3, "optim": "adamw_torch"},
        columns=[
            InputUse(name="train_input", step="Keep the good ones", column="abstracts"),
            InputUse(name="train_output", step="Keep the good ones", column="tweets"),
        ],
        parents=["Keep the good ones"],
        metrics_before={"eval_loss": 4.5},
        metrics={"eval_loss": 1.25, "eval_perplexity": 3.49},
        history=[{"step": index, "epoch": index / 10, "loss": 4.0 / (index + 1)} for index in range(30)],
        model=ModelInfo(
            digest="ddc1:model", path="_model", format="safetensors", adapter_only=True, parameters=250_000_000
        ),
        started=START + 600,
        ended=START + 900,
        seconds=300.0,
        determinism=Determinism(level="D2", why="fixed seed"),
        environment="dde1:e",
        session="s1",
        library_version="1.0.0",
    )


def second_round_step():
    own = ModelUse(name="HFTransformers(ours)", asked="ours", trainer="Train abstract to tweet", provider="local")
    return step(
        "More tweets",
        "prompting.ProcessWithPrompt",
        20,
        400,
        outputs=columns(tweets="ddc1:more", abstracts="ddc1:real"),
        inputs=[InputUse(name="inputs", step="Papers", column="abstracts", digest="ddc1:real")],
        parents=["Papers"],
        models=[own],
    )


def sample_run(*, steps=None, trainers=None):
    steps = steps or [
        source_step(),
        generated_step(),
        joined_step(),
        tweets_step(),
        judged_step(),
        second_round_step(),
    ]
    trainers = [trainer()] if trainers is None else trainers
    by_name, trained = {}, {record.name: record for record in trainers}
    for record in steps:
        record.synthetic = derive_synthetic(record, by_name, trained)
        by_name[record.name] = record
    return RunRecord(
        library_version="1.0.0",
        session=SessionInfo(
            id="s1", started=START, ended=START + 1300, status="finished", script="tweets.py", git_commit="f00ba4"
        ),
        environment=EnvironmentInfo(
            python="3.11.7", implementation="CPython", os="Linux (glibc 2.36)", machine="x86_64", digest="dde1:e"
        ),
        steps=steps,
        trainers=trainers,
        losses=[LossSummary(step="Generate abstracts", reason="content filter", rows=2, example="refused")],
        totals=totals(steps, trainers),
    )


def one_step_run(record):
    return closure(sample_run(steps=[record], trainers=[]), record.name)
