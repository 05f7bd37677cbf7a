import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from reading import html
from sample_records import one_step_run, source_step

from datadreamer.cards import Card, data_card, model_card, render_readme, run_page, write_readme
from datadreamer.errors import InvalidArgumentError


def card(body="# Ours\n\nOur words.", **metadata):
    return Card(
        kind="dataset", metadata={"pretty_name": "Ours", "tags": ["synthetic", "datadreamer"]} | metadata, body=body
    )


def keys(text):
    return DatasetCard(text).data.to_dict()


def test_a_dataset_card_is_read_back_by_the_hub_library(tmp_path, run):
    path = write_readme(tmp_path, data_card(run, "Keep the good ones"))
    loaded = DatasetCard.load(path)
    assert loaded.data.to_dict() == {
        "size_categories": ["n<1K"],
        "source_datasets": ["acl/papers"],
        "pretty_name": "Keep the good ones",
        "library_name": "datadreamer",
        "tags": ["synthetic", "datadreamer", "datadreamer-1.0.0"],
    }
    assert loaded.text.strip().startswith("<!-- datadreamer:begin")


def test_a_model_card_is_read_back_by_the_hub_library(tmp_path, run):
    path = write_readme(tmp_path, model_card(run, "Train abstract to tweet"))
    assert ModelCard.load(path).data.to_dict() == {
        "base_model": "google/t5-v1_1-base",
        "base_model_relation": "adapter",
        "datasets": ["acl/papers"],
        "library_name": "peft",
        "pipeline_tag": "text2text-generation",
        "tags": ["synthetic", "datadreamer", "datadreamer-1.0.0"],
    }


def test_rendering_twice_changes_nothing(run):
    once = render_readme(data_card(run, "Join"))
    assert render_readme(data_card(run, "Join"), once) == once


def test_the_users_text_around_the_card_stays_and_the_card_is_replaced():
    first = render_readme(card())
    written = (
        first.replace("<!-- datadreamer:begin", "My words before.\n\n<!-- datadreamer:begin") + "\nMy words after.\n"
    )
    second = render_readme(card("# Ours\n\nNewer words."), written)
    assert "My words before." in second
    assert "My words after." in second
    assert "Newer words." in second
    assert "Our words." not in second


def test_a_readme_that_was_there_before_keeps_its_text_above_the_card():
    text = render_readme(card(), "# My dataset\n\nWritten by hand.\n")
    assert text.index("Written by hand.") < text.index("Our words.")
    assert keys(text)["pretty_name"] == "Ours"


def test_the_users_keys_win_and_lists_are_joined():
    mine = "---\nlicense: cc-by-4.0\npretty_name: Mine\ntags:\n- nlp\n- synthetic\n---\nText.\n"
    found = keys(render_readme(card(), mine))
    assert found["license"] == "cc-by-4.0"
    assert found["pretty_name"] == "Mine"
    assert found["tags"] == ["nlp", "synthetic", "datadreamer"]


def test_keys_of_the_hub_that_are_not_ours_stay():
    mine = "---\nconfigs:\n- config_name: default\ndataset_info:\n  features: []\n  version: 1.0\n---\n"
    found = yaml.safe_load(render_readme(card(), mine).split("---\n")[1])
    assert found["configs"] == [{"config_name": "default"}]
    assert found["dataset_info"] == {"features": [], "version": 1.0}


def test_a_value_that_we_wrote_is_updated_and_one_the_user_changed_is_not():
    first = render_readme(card(size_categories=["n<1K"], library_name="datadreamer"))
    changed = first.replace("library_name: datadreamer", "library_name: mine")
    found = keys(render_readme(card(size_categories=["1K<n<10K"], library_name="datadreamer"), changed))
    assert found["size_categories"] == ["1K<n<10K"]
    assert found["library_name"] == "mine"


def test_a_tag_we_no_longer_write_goes_and_the_users_stays():
    first = render_readme(card(tags=["synthetic", "datadreamer-1.0.0"]))
    changed = first.replace("- synthetic\n", "- synthetic\n- mine\n")
    assert keys(render_readme(card(tags=["datadreamer-1.1.0"]), changed))["tags"] == ["mine", "datadreamer-1.1.0"]


def test_a_key_we_no_longer_write_goes():
    first = render_readme(card(source_datasets=["a/b"]))
    assert "source_datasets" not in keys(render_readme(card(), first))


def test_a_yaml_block_that_needs_no_change_keeps_its_comments():
    mine = "---\n# my comment\npretty_name: 'Ours'\ntags: [synthetic, datadreamer]\n---\n"
    assert "# my comment" in render_readme(card(), mine)


@pytest.mark.parametrize("front", ["---\n- a\n- b\n---\n", "---\na: [\n---\n", "---\na: b: c\n---\n"])
def test_a_yaml_block_that_cannot_be_read_is_named_and_the_file_left_alone(tmp_path, front):
    (tmp_path / "README.md").write_text(front)
    with pytest.raises(InvalidArgumentError, match=r"README\.md.*Mend or remove that block"):
        write_readme(tmp_path, card())
    assert (tmp_path / "README.md").read_text() == front


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path):
    (tmp_path / "README.md").write_bytes(b"\xef\xbb\xbf---\r\nlicense: mit\r\n---\r\nHello.\r\n")
    write_readme(tmp_path, card())
    loaded = DatasetCard.load(tmp_path / "README.md")
    assert loaded.data.license == "mit"
    assert "Hello." in loaded.text


def test_a_rule_in_the_users_text_is_not_taken_for_a_yaml_block():
    text = render_readme(card(), "Title\n\n---\n\nafter: the rule\n\n---\n")
    assert "Title\n\n---\n\nafter: the rule" in text
    assert keys(text)["pretty_name"] == "Ours"


def test_a_prompt_that_quotes_our_markers_does_not_end_the_card():
    first = render_readme(card())
    nasty = card(f"# Ours\n\n{first}\n\n<!-- datadreamer:end 0000000000000000 -->\n\nlast words")
    text = render_readme(nasty) + "\nMine.\n"
    again = render_readme(card("# Ours\n\nShort."), text)
    assert again.count("<!-- datadreamer:begin") == 1
    assert "last words" not in again
    assert again.rstrip().endswith("Mine.")


def test_metadata_cannot_break_out_of_the_yaml_block_or_the_comment():
    evil = 'x\n---\n<script>alert(1)</script>\ntags: [evil] --> <b>\n"'
    text = render_readme(card(pretty_name=evil))
    assert keys(text)["pretty_name"] == evil
    assert html(text.split("\n---\n", 1)[1]) == []


def test_a_page_has_no_yaml_block(run):
    assert render_readme(run_page(run)).startswith("<!-- datadreamer:begin")


def test_an_untouched_source_gets_no_synthetic_tag_unless_asked():
    found = one_step_run(source_step())
    assert data_card(found, "Papers").metadata["tags"] == ["datadreamer", "datadreamer-1.0.0"]
    assert data_card(found, "Papers", synthetic=True).metadata["tags"][0] == "synthetic"
