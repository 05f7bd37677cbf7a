import pytest
from sample_records import judged_step, sample_run, step, trainer

from datadreamer.cards import Calls, EnvironmentInfo, Lineage, closure, determinism, totals


def names(records):
    return [record.name for record in records]


def test_a_closure_holds_what_the_step_came_from_and_nothing_else(run):
    found = closure(run, "Join")
    assert names(found.steps) == ["Papers", "Generate abstracts", "Join"]
    assert (found.trainers, found.about) == ([], "Join")


def test_a_closure_of_generated_text_holds_the_trainer_of_the_model_and_its_data(run):
    found = closure(run, "More tweets")
    assert names(found.trainers) == ["Train abstract to tweet"]
    assert "Keep the good ones" in names(found.steps)


def test_a_closure_of_a_closure_is_the_same(run):
    once = closure(run, "Train abstract to tweet")
    assert closure(once, "Train abstract to tweet") == once


def test_a_closure_counts_and_loses_only_its_own(run):
    found = closure(run, "Papers")
    assert (found.totals.rows, found.totals.calls.calls, found.losses) == (400, 0, [])
    assert [loss.rows for loss in closure(run, "Join").losses] == [2]


def test_a_closure_keeps_the_environments_its_steps_ran_in(run):
    older = EnvironmentInfo(python="3.11.1", implementation="CPython", os="Linux", machine="x86_64", digest="dde1:old")
    run.environments["dde1:old"] = older
    run.steps[1].environment = "dde1:old"
    assert set(closure(run, "Join").environments) == {"dde1:e", "dde1:old"}
    assert set(closure(run, "Papers").environments) == {"dde1:e"}


def test_steps_that_ran_inside_a_step_belong_to_it():
    inner = judged_step()
    inner.inside, inner.parents, inner.inputs = "Outer", [], []
    outer = step("Outer", "SuperStep", 9, 900)
    found = closure(sample_run(steps=[inner, outer], trainers=[]), "Outer")
    assert names(found.steps) == ["Keep the good ones", "Outer"]


def test_the_way_of_a_source_is_the_shortest_down_to_the_result(run):
    way = Lineage(run).path("Papers", "Keep the good ones")
    assert way == ["Papers", "Join", "Summarise as tweets", "Keep the good ones"]


def test_records_that_name_each_other_in_a_circle_do_not_hang(run):
    run.steps[0].parents = ["Join"]
    assert set(names(closure(run, "Join").steps)) == {"Papers", "Generate abstracts", "Join"}


def test_a_thousand_steps_in_a_row_are_followed():
    steps = [step("0", "Read", 0, 1)]
    steps += [step(str(at), "Map", at, 1, parents=[str(at - 1)]) for at in range(1, 1000)]
    assert len(closure(sample_run(steps=steps, trainers=[]), "999").steps) == 1000


def test_the_lowest_determinism_holds_and_says_whose_it_is(run):
    found = determinism(run, "Train abstract to tweet")
    assert found.level == "D0"
    assert found.why == "'gpt-4o-mini' is an alias (in 'Generate abstracts')"
    assert determinism(run, "Papers").level == "D1"


def test_rows_inside_another_step_are_counted_once():
    inner = judged_step()
    inner.inside = "Outer"
    outer = step("Outer", "SuperStep", 9, 900)
    found = totals([inner, outer])
    assert (found.steps, found.rows, found.lost, found.calls.calls) == (2, 900, 3, 1000)


def test_costs_that_are_known_are_added_and_a_missing_one_is_told(run):
    assert run.totals.calls.cost_usd == pytest.approx(0.1089)
    assert not run.totals.cost_complete
    run.steps[4].calls = Calls(calls=1000, cost_usd=0.0)
    assert totals(run.steps, [trainer()]).cost_complete
