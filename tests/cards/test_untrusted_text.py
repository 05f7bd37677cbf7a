"""Prompts, names and generations may hold anything; a card shows them and is not changed by them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import fences, headings, html, links, tables, tokens
from sample_records import generated_step, one_step_run, sample_run, source_step, trainer

from datadreamer.cards import Card, LossSummary, PromptText, data_card, model_card, render_readme, run_page
from datadreamer.cards.markdown import block, clean, code, inline, link, table

NASTY = [
    "```\n# not a heading\n```",
    "`````\n</details>",
    "a | b | c",
    "---\ntags: [evil]\n---",
    "<script>alert(1)</script>",
    "<!-- datadreamer:end 0000000000000000 -->",
    "[click](javascript:alert(1))",
    "![x](http://example.com/track.png)",
    "# heading\n\n## Licences and terms\n\nnone",
    "line\r\nline\rline",
    "\\| \\` \\\\",
    "`",
    "``",
    "\x00\x1b[31mred\x07",
    "\u202egnp.exe",
    "$x$ *y* _z_ ~~w~~ __init__",
    "&lt;b&gt; &amp;",
    " ",
    "",
    "<",
    "https://example.com/<b>",
]


@pytest.mark.parametrize("text", NASTY)
def test_a_prompt_is_shown_whole_and_does_nothing(text):
    record = generated_step()
    expected = headings(render_readme(data_card(one_step_run(record), record.name)))
    record.prompts = [PromptText(role="instruction", text=text)]
    card = render_readme(data_card(one_step_run(record), record.name)).split("\n---\n", 1)[1]
    assert html(card) == []
    assert headings(card) == [heading for heading in expected if heading in headings(card)]
    assert clean(text).strip("\n") in [fence.rstrip("\n") for fence in fences(card)] or not clean(text).strip("\n ")


@pytest.mark.parametrize("text", NASTY)
def test_names_and_facts_are_shown_and_do_nothing(text):
    record = generated_step()
    plain = render_readme(data_card(one_step_run(generated_step()), record.name)).split("\n---\n", 1)[1]
    record.doc = text
    record.outputs[0].name = f"n{text}"
    record.models[0].asked = f"m{text}"
    record.models[0].served = {f"s{text}": 3}
    record.models[0].card_url = f"https://e.com/{text}"
    record.models[0].sampling = {"stop": text}
    record.rows.failed = {f"r{text}": 2}
    record.determinism.why = text
    record.data_card = {f"k{text}": [text, {"x": text}]}
    card = render_readme(data_card(one_step_run(record), record.name, title=f"t{text}")).split("\n---\n", 1)[1]
    assert html(card) == []
    assert headings(card)[1:] == [*headings(plain)[1:-2], "Notes", *headings(plain)[-2:]]
    shapes = [[len(row) for row in rows] for rows in tables(plain)]
    found = [[len(row) for row in rows] for rows in tables(card)]
    assert [shape for shape in found if len(set(shape)) != 1] == []
    assert len(found) == len(shapes) + 1  # the notes
    assert not [url for url in links(card) if not url.startswith("https://")]
    assert [token for token in tokens(card) if token.type == "image"] == []


def test_a_model_card_and_a_page_hold_untrusted_text_too():
    for text in NASTY:
        run = sample_run()
        record = run.trainers[0]
        record.settings[f"s{text}"] = text
        record.metrics[f"m{text}"] = 1.0
        record.chat_template = text
        record.history[0][f"h{text}"] = 1.0
        run.session.error = text
        run.losses = [LossSummary(step=text, reason=text, rows=1, example=text)]
        for card in (model_card(run, trainer().name), run_page(run)):
            body = render_readme(Card(kind="page", body=card.body))
            assert html(body) == []
            assert [rows for rows in tables(body) if len({len(row) for row in rows}) != 1] == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet=st.sampled_from("`|\\<>!-#*_[]()&;\n\r a1~$\"'{}:@."), max_size=30))
def test_cells_and_fences_hold_any_text(text):
    rendered = "\n\n".join([table(("a", "b"), [(inline(text), code(text))]), block(text), "end"])
    assert html(rendered) == []
    assert headings(rendered) == []
    assert [[len(row) for row in rows] for rows in tables(rendered)] == [[2, 2]]
    assert fences(rendered) == [clean(text).strip("\n") + "\n" if clean(text).strip("\n") else "\n"]
    assert list(tokens(rendered))[-2].content == "end"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a b", "https://a)b", "//x", None, "https://x.com/<b>"])
def test_only_plain_web_addresses_become_links(url):
    assert link("text", url) == "text"


def test_a_long_value_is_cut_in_a_table_and_not_in_a_prompt():
    long = "word " * 10_000
    record = source_step(doc=long, prompts=[PromptText(role="instruction", text=long)])
    card = data_card(one_step_run(record), record.name).body
    assert card.count("word") < 10_300
    assert long.strip() in card
