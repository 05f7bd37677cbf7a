from sample_records import gpt, one_step_run, sample_run, source_step, step

from datadreamer.cards import Calls, LicenseFact, SourceUse, citations, citations_bib, closure, license_entries
from datadreamer.cards.bibliography import split_entries


def cited(*texts, **more):
    record = source_step(sources=[SourceUse(name="x", kind="csv", citations=list(texts))], **more)
    return citations(one_step_run(record))[1:]  # the first is DataDreamer itself


def test_one_work_cited_by_several_steps_is_listed_once_with_all_reasons(run):
    found = {citation.key: citation for citation in citations(run)}
    assert found["openai2023gpt4"].reasons == [
        "'Generate abstracts' uses OpenAI(gpt-4o-mini)",
        "'Summarise as tweets' uses OpenAI(gpt-4o-mini)",
        "'Keep the good ones' uses OpenAI(gpt-4o-mini)",
    ]


def test_the_same_entry_in_another_layout_is_the_same_work():
    assert len(cited("@misc{a, title={T}, year={2024}}", "@misc{a,\n  title={T},\n  year={2024}\n}")) == 1


def test_two_works_with_one_key_are_both_kept():
    found = cited("@misc{a, title={One}}", "@misc{A, title={Two}}", "@misc{a, title={One}}", "@misc{A, title={Two}}")
    assert [citation.key for citation in found] == ["a", "A-2"]
    assert found[1].bibtex == "@misc{A-2, title={Two}}"


def test_several_entries_in_one_text_are_taken_apart():
    text = "Cite both:\n@misc{a, title={One {nested} @home}}\n@article{b,\n title={Two}}\nthanks"
    assert [key for key, _ in split_entries(text)] == ["a", "b"]


def test_a_reference_that_is_not_bibtex_becomes_a_note():
    (key, entry) = split_entries("Doe, J. {A paper}. 2024. \\input{x}")[0]
    assert key.startswith("note-")
    assert entry.count("{") == entry.count("}") == 2
    assert "\\" not in entry


def test_an_unclosed_entry_does_not_swallow_the_rest():
    assert split_entries("@misc{a, title={One}")[0][0].startswith("note-")
    assert [citation.key for citation in cited("@misc{a, title={One}", "@misc{b, title={Two}}")][1] == "b"


def test_reasons_in_the_file_cannot_start_an_entry():
    record = step("@misc{evil, x}", "Read", 1, 1, models=[gpt()], calls=Calls())
    text = citations_bib(one_step_run(record))
    assert [key for key, _ in split_entries(text)] == ["patel2024datadreamer", "openai2023gpt4"]


def test_entries_of_data_cards_are_cited():
    assert [citation.key for citation in cited(data_card={"Citation Information": ["@misc{c, title={C}}"]})] == ["c"]


def test_each_licence_comes_with_what_it_asks_and_the_way_it_came_in(run):
    entries = {entry.name: entry for entry in license_entries(closure(run, "Summarise as tweets"))}
    assert entries["NLP papers"].obligations == ("attribution", "share-alike")
    assert entries["NLP papers"].path == ["Papers", "Join", "Summarise as tweets"]
    assert entries["NLP papers"].role == "copied"


def test_a_source_that_only_prompted_a_model_is_told_apart_from_one_that_is_in_the_result(run):
    del run.steps[3].outputs[0], run.steps[3].outputs[1]
    del run.steps[3].synthetic["prompts"], run.steps[3].synthetic["abstracts"]
    entries = {entry.name: entry for entry in license_entries(closure(run, "Summarise as tweets"))}
    assert entries["NLP papers"].role == "conditioned-on"


def test_a_licence_we_know_nothing_about_asks_for_the_unknown():
    record = source_step(sources=[SourceUse(name="x", kind="csv", license=LicenseFact(id="LicenseRef-Mine"))])
    entry = license_entries(one_step_run(record))[0]
    assert (entry.fact.id, entry.obligations) == ("LicenseRef-Mine", ("unknown",))


def test_a_model_trained_in_the_run_has_no_licence_of_its_own():
    names = [entry.name for entry in license_entries(closure(sample_run(), "More tweets"))]
    assert "t5" in names
    assert "HFTransformers(ours)" not in names
