"""Times one model on every engine: PyTorch as it is, optimised and compiled, ONNX Runtime, OpenVINO, and OpenVINO in int8.

A call starts with images of 8 bits in memory and ends with triplets. The engines take turns in one process. Before each call that
is timed comes one that is not, because some engines keep the processor busy for a while after a call.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import torch
from bench_inference import batch_of
from torch import nn

from genvlkt_mmdet.apis import HOIInferencer, export_model
from genvlkt_mmdet.engine import command
from genvlkt_mmdet.export import ExportedModel, image_sizes, quantize_openvino, takes_dtype
from genvlkt_mmdet.structures import HOIDataSample

REFERENCE = 'optimised'


class Engines:
    """The candidates for one model.

    Args:
        model (str): Config file or name of a shipped config.
        weights (str, optional): Checkpoint. None: random weights.
        folder (Path): Folder for exported models.
    """

    def __init__(self, model: str, weights: str | None, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.weights = weights or str(folder / 'random.pth')
        if weights is None and not Path(self.weights).is_file():
            state = common.build_model(common.read_config(model), 'cpu').state_dict()
            torch.save(dict(state_dict=state, meta={}), self.weights)

    def candidates(self) -> dict[str, Callable[[common.Setting], common.Candidate]]:
        """Name of each candidate and the function that makes it."""
        return {
            REFERENCE: lambda setting: self.torch(setting, optimize=True),
            'eager': lambda setting: self.torch(setting, optimize=False),
            'compiled': self.compiled,
            'ONNX Runtime': lambda setting: self.engine(setting, 'model.onnx'),
            'OpenVINO': lambda setting: self.engine(setting, 'model.xml'),
            'OpenVINO int8': lambda setting: self.engine(setting, 'int8.xml'),
        }

    def torch(self, setting: common.Setting, **options: Any) -> common.Candidate:
        """PyTorch, with options of :class:`HOIInferencer`."""
        inferencer = HOIInferencer(
            self.model, self.weights, device='cpu', dtype=setting.dtype, show_progress=False, **options
        )
        model = inferencer.model
        if not options['optimize']:  # HOIInferencer leaves such a model in float32
            model = model.to(common.DTYPES[setting.dtype])
        return _calls(model, setting)

    def compiled(self, setting: common.Setting) -> common.Candidate:
        """The optimised model with its network compiled."""
        if not any(map(shutil.which, ('g++', 'clang++', 'c++', 'cl'))):
            raise common.NotRun('no C++ compiler')
        return self.torch(setting, optimize=True, compile=True)

    def engine(self, setting: common.Setting, name: str) -> common.Candidate:
        """An exported model."""
        if not takes_dtype(name, setting.dtype):
            raise common.NotRun('float32 only')
        try:
            return _calls(ExportedModel(self.exported(name), dtype=setting.dtype), setting)
        except ImportError as error:
            raise common.NotRun(str(error).partition(':')[0]) from error

    def exported(self, name: str) -> Path:
        """The exported model of this file name. It is made if it is missing."""
        file = self.folder / name
        if file.is_file():
            return file
        if name != 'int8.xml':
            return export_model(self.model, self.weights, file)
        source = self.exported('model.xml')
        model = ExportedModel(source)

        def inputs(batch: dict[str, Any]) -> dict[str, Any]:
            data = model.data_preprocessor(batch, False)
            return model.network_inputs(data['inputs'].numpy(), image_sizes(data['data_samples']))

        # What the images show does not change the time.
        setting = common.Setting(model.cfg, (160, 224), 1, 'float32', 'cpu')
        quantize_openvino(source, file, [batch_of(setting, HOIDataSample)], inputs)
        return file


def _calls(model: nn.Module, setting: common.Setting) -> common.Candidate:
    data = batch_of(setting, HOIDataSample)
    return common.Candidate(torch.no_grad()(lambda: model.test_step(data)))


@command(OSError, ValueError)
def main() -> None:
    """Entry point."""
    parser = common.parser(__doc__, batch_size=[1, 2], dtype=['float32'], repeats=5)
    parser.add_argument('--sizes', nargs='+', type=common.size, default=[(800, 1066)])
    parser.add_argument('--weights', help='checkpoint (default: random weights)')
    parser.add_argument('--exported', type=Path, help='folder that keeps the exported models for the next time')
    parser.set_defaults(device='cpu')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.exported or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        engines = Engines(args.model, args.weights, folder)
        common.run(
            'engines', engines.candidates(), args, args.sizes, rivals=[REFERENCE], count_flops=False, settle=True
        )


if __name__ == '__main__':
    main()
