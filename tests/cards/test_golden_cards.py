"""Whole cards of a realistic run, as they were last read by a person: a change of their look changes these files.

`python tests/cards/test_golden_cards.py` writes them anew.
"""

from pathlib import Path

import pytest
from sample_records import sample_run

from datadreamer.cards import (
    citations_bib,
    closure,
    data_card,
    licenses_page,
    model_card,
    render_readme,
    run_page,
    session_summary,
)

GOLDEN = Path(__file__).parent / "golden"

RENDERED = {
    "data_card.md": lambda run: render_readme(data_card(run, "Keep the good ones", title="Tweets about papers")),
    "model_card.md": lambda run: render_readme(model_card(run, "Train abstract to tweet")),
    "run_page.md": lambda run: render_readme(run_page(run)),
    "session_summary.txt": session_summary,
    "CITATIONS.bib": lambda run: citations_bib(closure(run, "More tweets")),
    "LICENSES.md": lambda run: licenses_page(closure(run, "More tweets")),
}


@pytest.mark.parametrize("name", RENDERED)
def test_cards_look_as_they_were_last_read(name, run):
    assert RENDERED[name](run) == (GOLDEN / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, render in RENDERED.items():
        (GOLDEN / name).write_text(render(sample_run()), encoding="utf-8")
