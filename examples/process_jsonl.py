"""Process a JSON Lines file with a model; export the result as JSON, CSV, Parquet and a Hugging Face dataset folder.

python examples/process_jsonl.py --base-url http://localhost:11434/v1 --model llama3.2     # Ollama
python examples/process_jsonl.py --base-url http://localhost:8080/v1 --model any           # llama.cpp
"""

import argparse
from pathlib import Path

from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import JSONDataSource, ProcessWithPrompt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--file", default=str(Path(__file__).parent / "data" / "notes.jsonl"))
parser.add_argument("--base-url", default="http://localhost:8000/v1")
parser.add_argument("--model", default="default")
parser.add_argument("--output", default="./output/process-jsonl")
arguments = parser.parse_args()

with DataDreamer(arguments.output):
    notes = JSONDataSource("Notes", data_files=arguments.file)
    titles = ProcessWithPrompt(
        "Write titles",
        inputs={"inputs": notes.output["note"]},
        args={
            "llm": OpenAI(model_name=arguments.model, base_url=arguments.base_url),
            "instruction": "Write a title of at most five words for this note.",
            "max_new_tokens": 20,
        },
        outputs={"inputs": "note", "generations": "title"},
    ).remove_columns("prompts")

    shuffled = titles.shuffle(seed=1)
    shuffled.export_to_json(f"{arguments.output}/titles.jsonl")
    shuffled.export_to_csv(f"{arguments.output}/titles.csv")
    shuffled.export_to_parquet(f"{arguments.output}/titles.parquet")
    dataset = shuffled.export_to_hf_dataset(f"{arguments.output}/titles", train_size=0.75, test_size=0.25)
    print(dataset)
