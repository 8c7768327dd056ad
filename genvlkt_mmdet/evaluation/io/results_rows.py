"""Results in Parquet files, as `genvlkt infer --out` writes them, in the columns of a results file."""

from pathlib import Path

import numpy as np

from ...datasets.result_rows import open_rows
from ...datasets.storage import need_pyarrow
from ...vocabulary import HOIVocabulary
from .results_columns import Columns


def read_rows(address: str | Path, vocabulary: HOIVocabulary) -> Columns:
    """Reads the rows of a result, without those of images that could not be read.

    Args:
        address (str | Path): The folder, or its address.
        vocabulary (HOIVocabulary): The vocabulary that the classes must be of.

    Raises:
        FileNotFoundError: If there is no Parquet file.
        ValueError: If a file is damaged, or its rows are of a model with another vocabulary.
    """
    pa = need_pyarrow()
    table = pa.concat_tables(table.filter(table['error'].is_null()) for table in open_rows(address, vocabulary))
    lists = table['triplets'].combine_chunks()
    fields = dict(zip((field.name for field in lists.type.value_type), lists.flatten().flatten(), strict=True))
    human_boxes, object_boxes = (
        # A box that is null becomes four times NaN.
        np.stack([side.to_numpy(zero_copy_only=False).astype(np.float64) for side in fields[key].flatten()], axis=-1)
        for key in ('human_box', 'object_box')
    )
    return Columns(
        file_names=table['image'].to_pylist(),
        counts=lists.value_lengths().to_numpy(zero_copy_only=False),
        human_boxes=human_boxes,
        object_boxes=object_boxes,
        labels=fields['hoi'].to_numpy(zero_copy_only=False),
        scores=fields['score'].to_numpy(zero_copy_only=False).astype(np.float64),
    )
