"""Steps: declared pieces of work that give datasets."""

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from ..cards.data_card_types import DataCardType as DataCardType
    from .curation.deduplicate import Deduplicate as Deduplicate
    from .curation.filter_by_language import FilterByLanguage as FilterByLanguage
    from .curation.filter_by_length import FilterByLength as FilterByLength
    from .curation.filter_by_quality import FilterByQuality as FilterByQuality
    from .curation.measure_diversity import MeasureDiversity as MeasureDiversity
    from .curation.semantic_deduplicate import SemanticDeduplicate as SemanticDeduplicate
    from .fields import Column as Column
    from .fields import Rows as Rows
    from .fields import output as output
    from .fields import positional as positional
    from .fields import runtime as runtime
    from .fields import setting as setting
    from .operations.combining import concat as concat
    from .operations.combining import zipped as zipped
    from .prompting.data_from_attributed_prompt import DataFromAttributedPrompt as DataFromAttributedPrompt
    from .prompting.data_from_prompt import DataFromPrompt as DataFromPrompt
    from .prompting.few_shot_prompt import FewShotPrompt as FewShotPrompt
    from .prompting.few_shot_prompt_with_retrieval import FewShotPromptWithRetrieval as FewShotPromptWithRetrieval
    from .prompting.filter_with_prompt import FilterWithPrompt as FilterWithPrompt
    from .prompting.judge_generation_pairs_with_prompt import (
        JudgeGenerationPairsWithPrompt as JudgeGenerationPairsWithPrompt,
    )
    from .prompting.judge_pairs_with_prompt import JudgePairsWithPrompt as JudgePairsWithPrompt
    from .prompting.process_with_prompt import ProcessWithPrompt as ProcessWithPrompt
    from .prompting.prompt import Prompt as Prompt
    from .prompting.rag_prompt import RAGPrompt as RAGPrompt
    from .prompting.rank_with_prompt import RankWithPrompt as RankWithPrompt
    from .prompting.score_with_rubric import ScoreWithRubric as ScoreWithRubric
    from .rows import LazyRowBatches as LazyRowBatches
    from .rows import LazyRows as LazyRows
    from .sources.csv_source import CSVDataSource as CSVDataSource
    from .sources.data_source import DataSource as DataSource
    from .sources.duckdb_source import DuckDBDataSource as DuckDBDataSource
    from .sources.hf_dataset_source import HFDatasetDataSource as HFDatasetDataSource
    from .sources.hf_hub_source import HFHubDataSource as HFHubDataSource
    from .sources.json_source import JSONDataSource as JSONDataSource
    from .sources.parquet_source import ParquetDataSource as ParquetDataSource
    from .sources.sql_source import SQLDataSource as SQLDataSource
    from .sources.text_source import TextDataSource as TextDataSource
    from .step import Step as Step
    from .step import SuperStep as SuperStep
    from .tasks.cosine_similarity import CosineSimilarity as CosineSimilarity
    from .tasks.embed import Embed as Embed
    from .tasks.retrieve import Retrieve as Retrieve
    from .tasks.run_task_model import RunTaskModel as RunTaskModel
    from .waiting import concurrent as concurrent
    from .waiting import wait as wait

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Step": "step",
        "SuperStep": "step",
        "Column": "fields",
        "Rows": "fields",
        "setting": "fields",
        "runtime": "fields",
        "output": "fields",
        "positional": "fields",
        "LazyRows": "rows",
        "LazyRowBatches": "rows",
        "DataSource": "sources.data_source",
        "JSONDataSource": "sources.json_source",
        "CSVDataSource": "sources.csv_source",
        "TextDataSource": "sources.text_source",
        "ParquetDataSource": "sources.parquet_source",
        "SQLDataSource": "sources.sql_source",
        "DuckDBDataSource": "sources.duckdb_source",
        "HFDatasetDataSource": "sources.hf_dataset_source",
        "HFHubDataSource": "sources.hf_hub_source",
        "Prompt": "prompting.prompt",
        "ProcessWithPrompt": "prompting.process_with_prompt",
        "DataFromPrompt": "prompting.data_from_prompt",
        "DataFromAttributedPrompt": "prompting.data_from_attributed_prompt",
        "FewShotPrompt": "prompting.few_shot_prompt",
        "FewShotPromptWithRetrieval": "prompting.few_shot_prompt_with_retrieval",
        "RAGPrompt": "prompting.rag_prompt",
        "FilterWithPrompt": "prompting.filter_with_prompt",
        "RankWithPrompt": "prompting.rank_with_prompt",
        "ScoreWithRubric": "prompting.score_with_rubric",
        "JudgePairsWithPrompt": "prompting.judge_pairs_with_prompt",
        "JudgeGenerationPairsWithPrompt": "prompting.judge_generation_pairs_with_prompt",
        "Embed": "tasks.embed",
        "CosineSimilarity": "tasks.cosine_similarity",
        "Retrieve": "tasks.retrieve",
        "RunTaskModel": "tasks.run_task_model",
        "Deduplicate": "curation.deduplicate",
        "SemanticDeduplicate": "curation.semantic_deduplicate",
        "FilterByLength": "curation.filter_by_length",
        "FilterByLanguage": "curation.filter_by_language",
        "FilterByQuality": "curation.filter_by_quality",
        "MeasureDiversity": "curation.measure_diversity",
        "concat": "operations.combining",
        "zipped": "operations.combining",
        "wait": "waiting",
        "concurrent": "waiting",
        "DataCardType": "data_card",
    },
)
