"""Type checkers see a step's fields: mypy reports the mistakes planted in a caller, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import datadreamer

DECLARED = """
from datadreamer import DataDreamer
from datadreamer.llms import LLM, FakeLLM, OpenAI
from datadreamer.steps import (
    Column, DataFromAttributedPrompt, DataFromPrompt, DataSource, FilterWithPrompt, ProcessWithPrompt, Prompt, Step,
    concat, output, runtime, setting, zipped,
)

class Summarize(Step):
    '''Summarise every document in one sentence.'''

    document: Column[str]
    llm: LLM
    max_words: int = 30
    style: str = setting(default="plain", help="how")
    concurrency: int = runtime(default=16)
    summary: str = output()

    async def process(self, document: str) -> dict[str, str]:
        answer = await self.llm.agenerate(f"Summarise in {self.max_words} words: {document}")
        return {"summary": answer.text}

llm = FakeLLM("x")
papers = DataSource("Papers", {"abstract": ["a"]})
"""

CORRECT = """
Summarize("S", document=papers["abstract"], llm=llm)
Summarize("S", document=papers.output["abstract"], llm=llm, max_words=5, style="x", concurrency=2, force=True)
Summarize("S", None, None, {"summary": "short"}, document=papers["abstract"], llm=llm)
step = Summarize("S", document=papers["abstract"], llm=llm, outputs={"summary": "short"}, background=True)
words: str = step.summary
step.progress = 0.5
step.map(lambda row: {"n": 1}, lazy=False).filter(lambda row: True).take(5).splits(train_size=0.9, test_size=0.1)
concat(step, papers, lazy=False)
zipped(step, papers)
with DataDreamer("./output"):
    model = OpenAI(model_name="gpt-4o-mini")
    abstracts = DataFromPrompt(
        "Generate abstracts", llm=model, n=1000, instruction="Write.", outputs={"generations": "abstracts"}
    )
    tweets = ProcessWithPrompt(
        "Summarise as tweets",
        inputs=abstracts["abstracts"],
        llm=model,
        instruction="Summarise the abstract as a tweet.",
        outputs={"inputs": "abstracts", "generations": "tweets"},
    )
    tweets.export_to_json("tweets.jsonl")
    Prompt("P", prompts=tweets["tweets"], llm=model, temperature=0.5, stop=["."], seed=1)
    DataFromAttributedPrompt("D", llm=model, n=3, instruction="{a}", attributes={"a": ["b"]}, post_process=len)
    FilterWithPrompt("F", inputs=tweets["tweets"], llm=model, instruction="Good?", filter_func=lambda text: "y" in text)
"""

# A mistake, and a part of what mypy says about it.
MISTAKES = [
    ('Summarize("S", document=papers["abstract"], llm=llm, max_wrods=3)', "max_wrods"),
    ('Summarize("S", document="text", llm=llm)', '"document"'),
    ('Summarize("S", document=papers["abstract"])', '"llm"'),
    ('Summarize("S", llm=llm)', '"document"'),
    ('Summarize("S", document=papers["abstract"], llm=llm, summary="x")', "summary"),
    ('Summarize("S", document=papers["abstract"], llm="gpt-4")', '"llm"'),
    ('Summarize("S", document=papers["abstract"], llm=llm, max_words="3")', '"max_words"'),
    ("Summarize(document=papers['abstract'], llm=llm)", '"name"'),
    ('ProcessWithPrompt("S", inputs="text", llm=llm, instruction="Go.")', '"inputs"'),
    ('ProcessWithPrompt("S", inputs=papers["abstract"], llm=llm)', '"instruction"'),
    ('DataFromPrompt("S", llm=llm, n="many", instruction="Go.")', '"n"'),
    ('DataFromPrompt("S", llm=llm, n=5, instruction="Go.", temprature=1.0)', "temprature"),
    ('papers.take("3")', '"take"'),
    ("papers.tak(3)", "tak"),
]


def test_mypy_reports_the_planted_mistakes_and_nothing_else(tmp_path: Path) -> None:
    lines = (DECLARED + CORRECT).splitlines()
    first = len(lines) + 1
    caller = tmp_path / "caller.py"
    caller.write_text("\n".join([*lines, *(code for code, _ in MISTAKES)]) + "\n")
    source = Path(datadreamer.__file__).parents[1]
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nmypy_path = {source}\nfollow_imports = silent\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", ".cache", "caller.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    reported: dict[int, str] = {}
    for line, message in re.findall(r"^caller\.py:(\d+): error: (.*)$", done.stdout, re.M):
        reported[int(line)] = reported.get(int(line), "") + message
    missing = [code for number, (code, said) in enumerate(MISTAKES, first) if said not in reported.get(number, "")]
    assert not missing, f"mypy says nothing about {missing}\n{done.stdout}{done.stderr}"
    further = {lines[number - 1]: said for number, said in reported.items() if number < first}
    assert not further, done.stdout
