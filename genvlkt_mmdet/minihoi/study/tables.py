"""The rows of the paper's Tables 3 and 4 on MiniHOI, and the expected orderings."""

from collections.abc import Sequence
from dataclasses import dataclass

SPLITS = {
    'rf_uc': ('rare_first', 'RF-UC'),
    'nf_uc': ('non_rare_first', 'NF-UC'),
    'uo': ('unseen_object', 'UO'),
    'uv': ('unseen_verb', 'UV'),
}
# Configs of a zero-shot split, by the split's key
ZERO_SHOT_BASE = 'minihoi/zero_shot/gen_tiny_minihoi_{}.py'
ZERO_SHOT_CONTROL = 'minihoi/zero_shot/gen_vlkt_tiny_minihoi_{}_random_text.py'
ZERO_SHOT_VLKT = 'minihoi/zero_shot/gen_vlkt_tiny_minihoi_{}.py'
FULL = 'minihoi/gen_vlkt_tiny_minihoi_short.py'
BASE = 'minihoi/ablation/gen_tiny_minihoi_base_triplet.py'
BASE_VERB = 'minihoi/ablation/gen_tiny_minihoi_base_verb.py'
WITHOUT_PGE = 'minihoi/ablation/gen_tiny_minihoi_wo_pge.py'
WITHOUT_IGE = 'minihoi/ablation/gen_tiny_minihoi_wo_ige.py'
HOI_TEXT = 'minihoi/ablation/gen_tiny_minihoi_hoi_text.py'
OBJECT_TEXT = 'minihoi/ablation/gen_tiny_minihoi_hoi_obj_text.py'
MIMIC_L2 = 'minihoi/ablation/gen_vlkt_tiny_minihoi_mimic_l2.py'
CONTROL = 'minihoi/ablation/gen_tiny_minihoi_hoi_obj_random_text.py'


@dataclass(frozen=True)
class Row:
    """A row of a table. Rows of different tables can have the same config, which is trained once.

    Attributes:
        table (str): '3', '4a', '4b' or '4c'.
        label (str): Name of the row.
        config (str): Its config below ``configs/``.
        split (str, optional): Key of :data:`SPLITS` for a row of Table 3.
    """

    table: str
    label: str
    config: str
    split: str | None = None


ROWS = (
    *(
        Row('3', label, config.format(split), split)
        for split in SPLITS
        for label, config in (
            ('baseline', ZERO_SHOT_BASE),
            ('VLKT, random text', ZERO_SHOT_CONTROL),
            ('VLKT', ZERO_SHOT_VLKT),
        )
    ),
    Row('4a', 'Base-triplet', BASE),
    Row('4a', 'Base-verb', BASE_VERB),
    Row('4a', 'Base-verb without p-GE', WITHOUT_PGE),
    Row('4a', 'Base-verb without i-GE', WITHOUT_IGE),
    Row('4b', 'Base-triplet', BASE),
    Row('4b', '+ interaction text', HOI_TEXT),
    Row('4b', '+ object text', OBJECT_TEXT),
    Row('4b', '+ mimic (GEN-VLKT)', FULL),
    Row('4b', 'control: random text, no mimic', CONTROL),
    Row('4b', 'GEN-VLKT, biases start by chance', 'minihoi/ablation/gen_vlkt_tiny_minihoi_wo_prior.py'),
    Row('4c', 'L1 (GEN-VLKT)', FULL),
    Row('4c', 'L2', MIMIC_L2),
    Row('4c', 'L1 + L2', 'minihoi/ablation/gen_vlkt_tiny_minihoi_mimic_l1_l2.py'),
    Row('4c', "L1 with the paper's weight of 20", 'minihoi/ablation/gen_vlkt_tiny_minihoi_mimic_weight_20.py'),
)
TABLES = tuple(dict.fromkeys(row.table for row in ROWS))


@dataclass(frozen=True)
class Ordering:
    """An expectation: ``better`` has a higher ``figure`` than ``worse``.

    Attributes:
        claim (str): The expectation in words.
        better (str): Config below ``configs/``.
        worse (str): Config below ``configs/``.
        figure (str): Attribute of :class:`.results.Result`.
        paper (bool): Whether the paper claims it. Otherwise it is a control.
    """

    claim: str
    better: str
    worse: str
    figure: str
    paper: bool = True


ORDERINGS = (
    *(
        Ordering(
            f'VLKT helps {figure} HOIs ({title})', ZERO_SHOT_VLKT.format(split), ZERO_SHOT_BASE.format(split), figure
        )
        for figure in ('unseen', 'seen')
        for split, (_, title) in SPLITS.items()
    ),
    Ordering('VLKT helps rare HOIs', FULL, BASE, 'rare'),
    Ordering('Interaction text helps', HOI_TEXT, BASE, 'full'),
    Ordering('Object text adds', OBJECT_TEXT, HOI_TEXT, 'full'),
    Ordering('Mimic adds', FULL, OBJECT_TEXT, 'full'),
    Ordering('L1 beats L2', FULL, MIMIC_L2, 'full'),
    Ordering('L1 beats L1 + L2', FULL, 'minihoi/ablation/gen_vlkt_tiny_minihoi_mimic_l1_l2.py', 'full'),
    Ordering('Base-verb beats Base-triplet', BASE_VERB, BASE, 'full'),
    Ordering('p-GE helps Base-verb', BASE_VERB, WITHOUT_PGE, 'full'),
    Ordering('i-GE helps Base-verb', BASE_VERB, WITHOUT_IGE, 'full'),
    *(
        Ordering(
            f'Text, not just any directions, helps unseen HOIs ({title})',
            ZERO_SHOT_VLKT.format(split),
            ZERO_SHOT_CONTROL.format(split),
            'unseen',
            paper=False,
        )
        for split, (_, title) in SPLITS.items()
    ),
    Ordering('Text, not just any directions, helps', OBJECT_TEXT, CONTROL, 'full', paper=False),
)


def configs_of(tables: Sequence[str]) -> list[str]:
    """The configs of some tables, each once, in the order of the rows."""
    return list(dict.fromkeys(row.config for row in ROWS if row.table in tables))
