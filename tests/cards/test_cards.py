import pytest
from reading import fences, headings, html, tables
from sample_records import (
    generated_step,
    judged_step,
    one_step_run,
    sample_run,
    source_step,
    step,
    trainer,
)

from datadreamer.cards import (
    Calls,
    DataCardType,
    InputUse,
    ModelUse,
    Rows,
    closure,
    data_card,
    model_card,
    published_data_card,
    run_page,
    session_summary,
    sort_data_card,
)
from datadreamer.cards.data_cards import size_category
from datadreamer.cards.training_history import history_section, sparkline


def rows_of(body, header):
    return next(rows for rows in tables(body) if rows[0][0] == header)


def table_with(body, column):
    return next(rows for rows in tables(body) if column in rows[0])


def test_a_data_card_answers_what_how_with_what_and_under_which_terms(run):
    assert headings(data_card(run, "Keep the good ones").body) == [
        "Keep the good ones",
        "Columns",
        "How it was made",
        "Models",
        "Prompts",
        "Sources",
        "Rows",
        "Cost",
        "Determinism",
        "Contamination",
        "Licences and terms",
        "Citations",
        "How to make it again",
    ]


def test_a_card_of_a_run_and_of_its_closure_are_the_same(run):
    assert data_card(run, "Join") == data_card(closure(run, "Join"), "Join")


def test_a_failed_row_is_shown_with_its_reason(run):
    listed = table_with(data_card(run, "Keep the good ones").body, "filtered")
    assert ["Keep the good ones", "1,000", "0", "900", "97", "3 (no verdict: 3)", "yes"] in listed


def test_rows_that_are_not_accounted_for_are_pointed_out():
    record = source_step(rows=Rows(input=0, expanded=400, output=390))
    assert "**no**" in data_card(one_step_run(record), "Papers").body


def test_the_served_model_is_shown_and_missing_facts_are_unknown(run):
    models = rows_of(data_card(run, "Generate abstracts").body, "model")
    assert models[1][3:5] == ["unknown", "`gpt-4o-mini-2024-07-18` (1,000)"]


def test_licences_that_nobody_stated_are_unknown_and_none_is_chosen(run):
    card = data_card(run, "Generate abstracts")
    assert "license" not in card.metadata
    assert rows_of(card.body, "what")[1][:6] == [
        "model",
        "OpenAI(gpt-4o-mini)",
        "generated-by",
        "unknown",
        "unknown",
        "unknown",
    ]


def test_an_unknown_price_is_not_a_price_of_nothing(run):
    costs = {row[0]: row[5] for row in table_with(data_card(run, "Keep the good ones").body, "cost")}
    assert costs["Keep the good ones"] == "unknown"
    assert costs["**total**"] == "US$ 0.1089"
    assert "leaves out the steps whose price is unknown" in data_card(run, "Keep the good ones").body


def test_decontamination_is_told_as_what_it_found_and_never_as_clean():
    check = step("Check", "cleaning.Decontaminate", 9, 390, settings={"preset": "gpt3-13"}, parents=["Papers"])
    check.rows = Rows(input=400, output=390, filtered=10)
    body = data_card(sample_run(steps=[source_step(), check], trainers=[]), "Check").body
    assert "no overlap detected by `Check` in the 390 rows it kept; it removed 10" in body
    assert "clean" not in body.lower()


def test_notes_of_steps_are_listed_in_reading_order():
    record = source_step(data_card={"My kind": [1], DataCardType.URL: ["https://e.com"], DataCardType.CITATION: ["x"]})
    notes = [row[1] for row in table_with(data_card(one_step_run(record), "Papers").body, "note")]
    assert notes == ["kind", "URL", "My kind"]


@pytest.mark.parametrize(
    ("rows", "name"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (2_500_000, "1M<n<10M"), (10**10, "10B<n<100B")]
)
def test_sizes_have_the_names_of_the_hub(rows, name):
    assert size_category(rows) == name


def test_a_model_card_holds_the_cards_of_its_data_and_of_earlier_models(run):
    second = trainer()
    second.name = "Second round"
    second.base_model = ModelUse(name="first", role="trained-from", trainer="Train abstract to tweet")
    second.columns = [InputUse(name="train_input", step="More tweets", column="tweets")]
    second.parents = ["More tweets"]
    run.trainers.append(second)
    body = model_card(run, "Second round").body
    assert "Write an abstract of an NLP paper." in "".join(fences(body))
    assert rows_of(body, "trainer")[1][0] == "Train abstract to tweet"
    assert ["`train_input`", "More tweets", "`tweets`", "400", "full", "3", "unknown"] in rows_of(body, "used as")


def test_a_local_folder_is_not_named_as_a_base_model_of_the_hub(run):
    base = run.trainers[0].base_model
    base.asked, base.revision, base.digest = "models/mine", None, "ddc1:files"
    assert model_card(run, "Train abstract to tweet").metadata["base_model"] is None


def test_metrics_before_and_after_are_side_by_side(run):
    metrics = rows_of(model_card(run, "Train abstract to tweet").body, "metric")
    assert metrics[1:] == [["`eval_loss`", "4.5", "1.25"], ["`eval_perplexity`", "not measured", "3.49"]]


def test_the_chat_template_is_shown_whole(run):
    run.trainers[0].chat_template = "{% for m in messages %}```{{ m['content'] }}{% endfor %}"
    body = model_card(run, "Train abstract to tweet").body
    assert run.trainers[0].chat_template + "\n" in fences(body)


def test_a_long_history_is_spread_over_few_rows_with_its_ends():
    text = history_section([{"step": at, "loss": 1.0 / (at + 1), "note": "x"} for at in range(1000)])
    rows = tables(text)[0]
    assert (len(rows), rows[1][0], rows[-1][0], rows[0]) == (13, "0", "999", ["`step`", "`loss`"])


def test_a_history_with_gaps_and_broken_values_is_shown():
    history = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}, {"step": 3, "eval_loss": 1.0}, {"step": 4}]
    assert tables(history_section(history))[0][2] == ["2", "", ""]
    assert history_section([]) == ""


def test_sparklines_span_lowest_to_highest():
    assert sparkline([0, 7, 3.5]) == "▁█▅"
    assert sparkline([2.0, 2.0]) == "▁▁"


def test_the_published_data_card_names_models_sources_and_terms_by_step(run):
    printed = published_data_card(run, "Summarise as tweets")
    assert list(printed) == ["Papers", "Generate abstracts", "Join", "Summarise as tweets"]
    assert printed["Papers"] == {
        DataCardType.DATETIME: ["2026-09-21 14:14:50 UTC"],
        DataCardType.DATASET_NAME: ["NLP papers"],
        DataCardType.URL: ["https://huggingface.co/datasets/acl/papers"],
        DataCardType.LICENSE: ["CC-BY-SA-4.0"],
        DataCardType.CITATION: ["@inproceedings{acl, title={Papers}}"],
    }
    assert printed["Generate abstracts"][DataCardType.MODEL_NAME] == ["gpt-4o-mini"]
    assert printed["Generate abstracts"][DataCardType.LICENSE] == ["https://openai.com/policies/terms-of-use"]


def test_data_card_entries_are_sorted_and_a_users_kinds_come_last():
    card = {"Mine": [1], DataCardType.CITATION: [2], DataCardType.MODEL_NAME: [3], DataCardType.DATETIME: [4]}
    assert list(sort_data_card(card)) == ["Date & Time", "Model Name", "Citation Information", "Mine"]


def test_the_summary_of_a_rerun_says_that_nothing_had_to_run(run):
    run.session.id = "s2"
    run.session.started, run.session.ended = 0.0, 0.25
    run.losses = []
    assert session_summary(run) == "nothing had to run, 7 results found finished, in 0.2 s"


def test_the_summary_counts_the_work_of_this_session_only(run):
    run.steps[1].session = "earlier"
    text = session_summary(run)
    assert "6 results made, 1 result found finished" in text
    assert "2,000 answered, 0 from the ledger" in text


def test_the_summary_says_when_no_price_is_known():
    record = judged_step()
    text = session_summary(sample_run(steps=[source_step(), record], trainers=[]))
    assert "cost    unknown (no price known for the models asked)" in text


def test_a_local_model_costs_nothing_and_that_is_known():
    record = generated_step()
    record.calls = Calls(calls=5, output_tokens=10, cost_usd=0.0)
    assert "cost    US$ 0.00" in session_summary(sample_run(steps=[record], trainers=[]))


def test_the_page_of_a_folder_links_every_result_and_says_how_to_go_on(run):
    run.session.status, run.session.error, run.session.ended = "failed", "RateLimitError: <b>", None
    body = run_page(run).body
    assert "[papers](papers/)" in body
    assert "Run `tweets.py` again with this folder" in body
    assert "RateLimitError: &lt;b&gt;" in body
    assert html(body) == []


def test_a_folder_without_steps_has_a_page_too():
    body = run_page(sample_run(steps=[step("Only", "Read", 1, 0)], trainers=[])).body
    assert "Only" in body


def test_steps_are_listed_behind_what_they_read_even_when_a_view_was_written_down_late():
    from datadreamer.cards import RunRecord, StepRecord
    from datadreamer.cards.card_sections import records_in_order

    steps = [
        StepRecord(name="draw", kind="DataFromPrompt", started=1.0),
        StepRecord(name="measure", kind="MapStep", started=2.0, parents=["few"]),
        StepRecord(name="few", kind="TakeStep", started=3.0, parents=["draw"]),
        StepRecord(name="loop", kind="MapStep", started=4.0, parents=["loop back"]),
        StepRecord(name="loop back", kind="MapStep", started=5.0, parents=["loop"]),
    ]
    ordered = [record.name for record in records_in_order(RunRecord(library_version="1", steps=steps))]
    assert ordered == ["draw", "few", "measure", "loop back", "loop"]
