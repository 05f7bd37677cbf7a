"""Operations on the result of a step: each makes a further step, named after the first."""

# public name -> the file of this folder that defines it
TABLE = {
    "SelectStep": "views",
    "SelectColumnsStep": "views",
    "TakeStep": "views",
    "SkipStep": "views",
    "AddItemStep": "views",
    "RenameColumnStep": "views",
    "RenameColumnsStep": "views",
    "RemoveColumnsStep": "views",
    "ShardStep": "views",
    "ReverseStep": "views",
    "SaveStep": "views",
    "CopyStep": "views",
    "ShuffleStep": "ordering",
    "SortStep": "ordering",
    "MapStep": "mapping",
    "FilterStep": "mapping",
    "SplitStep": "splitting",
    "ConcatStep": "combining",
    "ZippedStep": "combining",
    "concat": "combining",
    "zipped": "combining",
}
