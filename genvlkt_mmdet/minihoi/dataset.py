"""MiniHOI, a dataset that renders its own files."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock
from mmdet.registry import DATASETS

from ..apis.potential_pairs import make_potential_pairs
from ..datasets.hoi_dataset import HOIDataset
from .rendering import SPLIT_SIZES, render_minihoi, rendered_with


@DATASETS.register_module()
class MiniHOIDataset(HOIDataset):
    """MiniHOI: rendered persons and objects, with 10 objects, 8 verbs and 46 HOI classes.

    The file name in ``ann_file`` (``annotations/{split}.json``) selects the split. The split is rendered if it is missing, and
    the file of its potential pairs is made. Several processes can do this at the same time.

    Args:
        *args: See :class:`HOIDataset`.
        render (Mapping, optional): Arguments of :func:`render_minihoi` that differ from the defaults, such as
            ``dict(seed=1)``. A split that was rendered with other arguments is refused. None: read the files as they are.
        **kwargs: See :class:`HOIDataset`.

    Raises:
        ValueError: If ``ann_file`` names no split of MiniHOI.
        FileExistsError, PermissionError: See :func:`render_minihoi`.
    """

    default_vocabulary = 'minihoi'
    dataset_name = 'minihoi'
    missing_hint = 'render it with `genvlkt data render` or leave out `render=None`'

    def __init__(self, *args: Any, render: Mapping[str, Any] | None = MappingProxyType({}), **kwargs: Any) -> None:
        # A read-only view could not be pickled for the workers of a data loader.
        self.render = None if render is None else dict(render)
        super().__init__(*args, **kwargs)

    def prepare(self) -> None:
        """Renders the split and finds its potential pairs if they are missing."""
        if self.render is None:
            return
        path = Path(self.ann_file)
        if path.stem not in SPLIT_SIZES or path.parent.name != 'annotations':
            raise ValueError(
                f"'{path}' names no split of MiniHOI: `ann_file` must be annotations/SPLIT.json with SPLIT one of "
                f'{", ".join(SPLIT_SIZES)}.'
            )
        render_minihoi(path.parent.parent, splits=(path.stem,), **self.render)
        if self.potential_pairs and not self.test_mode:
            self.potential_pairs_file.parent.mkdir(exist_ok=True)
            with FileLock(self.potential_pairs_file.with_suffix('.lock')):
                if not self.potential_pairs_file.is_file():
                    make_potential_pairs(self)

    @property
    def potential_pairs_settings(self) -> dict[str, Any]:
        """dict: What the file of the potential pairs must have been made with, with the parameters of the images."""
        path = Path(self.ann_file)
        return super().potential_pairs_settings | dict(images=rendered_with(path.parent.parent).get(path.stem))
