from sample_records import (
    columns,
    generated_step,
    gpt,
    judged_step,
    sample_run,
    second_round_step,
    source_step,
    step,
    trainer,
    tweets_step,
)

from datadreamer.cards import InputUse, ModelUse, OutputColumn, Rows, SourceUse, Synthetic, derive_synthetic

NONE = Synthetic(share="none", fraction=0.0, depth=0)


def full(depth):
    return Synthetic(share="full", fraction=1.0, depth=depth)


def by_name(run):
    return {record.name: record for record in run.steps}


def derived(record, *earlier, trainers=()):
    known = {}
    for other in earlier:
        other.synthetic = other.synthetic or derive_synthetic(other, known, {})
        known[other.name] = other
    return derive_synthetic(record, known, {found.name: found for found in trainers})


def test_rows_of_a_source_are_not_synthetic():
    assert derived(source_step()) == {"abstracts": NONE}


def test_a_source_whose_card_says_synthetic_counts_one_generation():
    record = source_step(sources=[SourceUse(name="x", kind="huggingface", synthetic=True)])
    assert derived(record) == {"abstracts": full(1)}


def test_what_a_model_writes_from_nothing_has_depth_one_and_its_prompt_is_not_synthetic():
    assert derived(generated_step()) == {"prompts": NONE, "abstracts": full(1)}


def test_joined_rows_are_synthetic_in_proportion():
    joined = by_name(sample_run())["Join"]
    assert joined.synthetic["abstracts"] == Synthetic(share="partial", fraction=0.6, depth=1)


def test_each_generation_on_top_of_synthetic_text_is_one_deeper():
    tweets = by_name(sample_run())["Summarise as tweets"]
    assert tweets.synthetic["tweets"] == full(2)


def test_a_column_passed_through_a_model_step_stays_what_it_was():
    tweets = by_name(sample_run())["Summarise as tweets"]
    assert tweets.synthetic["abstracts"].share == "partial"


def test_text_that_was_only_judged_is_not_made_synthetic_by_it():
    kept = derived(judged_step(), _read("Summarise as tweets", abstracts=NONE, tweets=full(1)))
    assert kept == {"abstracts": NONE, "tweets": full(1)}


def test_a_filter_makes_the_fraction_of_a_mixed_column_unknown():
    kept = by_name(sample_run())["Keep the good ones"]
    assert kept.synthetic["abstracts"] == Synthetic(share="partial", fraction=None, depth=1)


def test_a_verdict_column_is_written_by_the_model():
    record = judged_step()
    record.outputs.append(OutputColumn(name="verdicts", type="string"))
    assert derived(record, _read("Summarise as tweets", tweets=full(1)))["verdicts"] == full(2)


def test_a_rewriting_under_the_old_name_counts_as_written():
    record = step("Rewrite", "Custom", 9, 400, outputs=columns(abstracts="ddc1:new"), models=[gpt()])
    record.inputs = [InputUse(name="text", step="Papers", column="abstracts")]
    assert derived(record, source_step()) == {"abstracts": full(1)}


def test_an_input_that_lost_rows_is_still_a_copy_under_its_declared_name():
    record = step("Ask", "ProcessWithPrompt", 9, 390, models=[gpt()])
    record.inputs = [InputUse(name="inputs", step="Papers", column="abstracts")]
    record.outputs = [
        OutputColumn(name="papers", declared="inputs", type="string", digest="ddc1:fewer"),
        OutputColumn(name="made", declared="prompts", type="string"),
        OutputColumn(name="answers", declared="generations", type="string"),
    ]
    assert derived(record, source_step()) == {"papers": NONE, "made": NONE, "answers": full(1)}


def test_a_declared_origin_wins():
    record = generated_step()
    record.outputs[1].origin = "source"
    assert derived(record)["abstracts"] == NONE


def test_a_column_computed_by_code_is_as_synthetic_as_its_inputs():
    record = step("Lengths", "operations.MapStep", 9, 600, outputs=columns(lengths="ddc1:l"), parents=["Read"])
    assert derived(record, _read("Read", a=NONE, b=full(1))) == {"lengths": full(1)}
    assert derived(record, _read("Read", a=NONE)) == {"lengths": NONE}


def test_a_model_trained_in_the_run_adds_the_depth_of_its_training_data():
    run = sample_run()
    deepest = max(column.depth for column in by_name(run)["Keep the good ones"].synthetic.values())
    assert by_name(run)["More tweets"].synthetic["tweets"] == full(deepest + 1)


def test_a_base_model_trained_in_the_run_counts_too():
    steps = by_name(sample_run())
    second = trainer()
    second.name, second.columns = "Second", []
    second.base_model = ModelUse(name="first", trainer="Train abstract to tweet")
    record = second_round_step()
    record.models[0].trainer = "Second"
    found = derive_synthetic(record, steps, {"Second": second, "Train abstract to tweet": trainer()})
    assert found["tweets"] == full(3)


def test_a_step_made_of_steps_gives_what_its_last_inner_step_gave():
    inner = judged_step()
    inner.inside = "Outer"
    inner.synthetic = {"abstracts": full(1), "tweets": full(2)}
    outer = step("Outer", "SuperStep", 9, 900, outputs=columns("abstracts", "tweets"), parents=["Papers"])
    assert derived(outer, source_step(), inner) == {"abstracts": full(1), "tweets": full(2)}


def test_a_lost_upstream_record_makes_it_unknown_instead_of_not_synthetic():
    record = step("Sorted", "operations.SortStep", 9, 10, outputs=columns("text"), parents=["Gone"])
    assert derived(record) == {"text": Synthetic(share="unknown", fraction=None, depth=None)}
    assert derived(tweets_step())["tweets"] == Synthetic(share="full", fraction=1.0, depth=None)


def _read(name, **synthetic):
    record = step(name, "Read", 1, 1000, outputs=columns(*synthetic), rows=Rows(input=1000, output=1000))
    record.synthetic = synthetic
    return record
