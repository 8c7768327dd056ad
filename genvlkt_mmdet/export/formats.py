"""Writes and runs the file formats of exported models: ONNX, OpenVINO's IR, and torch.export's archive."""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from ..files import new_file, write_file
from .network import INPUTS, OUTPUTS

#: The suffix of each format.
SUFFIXES = {'onnx': '.onnx', 'openvino': '.xml', 'pt2': '.pt2'}
_KEY = 'genvlkt'  # of the metadata in the file
_EXTRA = "{} is not installed: pip install 'genvlkt[export]'."

#: Runs the network: the arrays of INPUTS by name to the arrays of OUTPUTS in order.
Session = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]


def write_program(
    program: torch.export.ExportedProgram, format: str, file: Path, metadata: str, defaults: Mapping[str, np.ndarray]
) -> None:
    """Writes an exported network.

    Args:
        program (ExportedProgram): The network, with the inputs INPUTS.
        format (str): Key of SUFFIXES.
        file (Path): The file. OpenVINO's weights are written beside it, with the suffix ``.bin``.
        metadata (str): Text to put into the file.
        defaults (Mapping): Values of inputs that ONNX takes if they are not given.

    Raises:
        ImportError: If the libraries of the format are not installed.
        OSError: If the file cannot be written.
    """
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter('ignore')
        {'onnx': _write_onnx, 'openvino': _write_openvino, 'pt2': _write_pt2}[format](program, file, metadata, defaults)


def open_session(file: str, threads: int, dtype: str = 'float32') -> tuple[Session, str | None]:
    """Opens an exported model for the CPU.

    Args:
        file (str): A file that :func:`write_program` wrote.
        threads (int): Number of threads.
        dtype (str): Precision: 'float32' or, with OpenVINO, 'bfloat16'. Layers in int8 stay in int8.

    Returns:
        tuple: The function that runs the network, and the metadata, None if the file has none.

    Raises:
        ImportError: If the library that runs the format is not installed.
        Exception: Any kind, if the file is damaged.
    """
    opener = {'.onnx': _open_onnx, '.xml': _open_openvino, '.pt2': _open_pt2}[Path(file).suffix.lower()]
    return opener(file, threads, dtype)


def takes_dtype(file: str | Path, dtype: str) -> bool:
    """Whether an exported model can compute in this precision."""
    return dtype in ('auto', 'float32') or (dtype == 'bfloat16' and str(file).lower().endswith('.xml'))


def _write_onnx(
    program: torch.export.ExportedProgram, file: Path, metadata: str, defaults: Mapping[str, np.ndarray]
) -> None:
    with _needs('onnx, onnxscript'):
        import onnx  # noqa: F401
        from onnxscript import ir
    names = dict(input_names=INPUTS, output_names=OUTPUTS)
    model = torch.onnx.export(program, dynamo=True, verbose=False, **names)
    graph = model.model.graph
    for value in graph.inputs:
        if value.name in defaults:
            value.const_value = ir.tensor(defaults[value.name], name=value.name)
            graph.register_initializer(value)
    model.model.metadata_props[_KEY] = metadata
    write_file(file, model.model_proto.SerializeToString())


def _open_onnx(file: str, threads: int, dtype: str) -> tuple[Session, str | None]:
    with _needs('onnxruntime'):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(file, options, providers=['CPUExecutionProvider'])

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return session.run(list(OUTPUTS), dict(inputs))

    return run, session.get_modelmeta().custom_metadata_map.get(_KEY)


def _write_openvino(
    program: torch.export.ExportedProgram, file: Path, metadata: str, defaults: Mapping[str, np.ndarray]
) -> None:
    with _needs('openvino'):
        import openvino
    # The converter sends statistics of use to its maker, except in continuous integration.
    with mock.patch.dict(os.environ, CI='true'):
        model = openvino.convert_model(program)
    for ports, names in ((model.inputs, INPUTS), (model.outputs, OUTPUTS)):
        for port, name in zip(ports, names, strict=True):
            port.get_tensor().set_names({name})
    modules = {node.name: stack for node in program.graph.nodes if (stack := node.meta.get('nn_module_stack'))}
    for op in model.get_ops():
        stack = modules.get(op.friendly_name.partition('/')[0])
        if stack:  # the path of the module, for quantisation and for people who look at the graph
            op.friendly_name = f'{next(reversed(stack.values()))[0]}/{op.friendly_name}'
    model.set_rt_info(metadata, _KEY)
    save_openvino(model, file)


def save_openvino(model: Any, file: Path) -> None:
    """Writes an ``openvino.Model``. Both files are complete before one of them has its name."""
    import openvino

    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        openvino.save_model(model, Path(folder, 'model.xml'), compress_to_fp16=False)
        move_openvino(Path(folder, 'model.xml'), file)


def move_openvino(source: Path, file: Path) -> None:
    """Moves a complete model on the same file system. At no time is there an ``.xml`` with the weights of another model."""
    file.unlink(missing_ok=True)
    os.replace(source.with_suffix('.bin'), file.with_suffix('.bin'))
    os.replace(source, file)


def _open_openvino(file: str, threads: int, dtype: str) -> tuple[Session, str | None]:
    with _needs('openvino'):
        import openvino
    core = openvino.Core()
    model = core.read_model(file)
    metadata = model.get_rt_info(_KEY).astype(str) if model.has_rt_info(_KEY) else None
    precision = 'bf16' if dtype == 'bfloat16' else 'f32'
    settings = {'INFERENCE_PRECISION_HINT': precision, 'INFERENCE_NUM_THREADS': threads, 'PERFORMANCE_HINT': 'LATENCY'}
    compiled = core.compile_model(model, 'CPU', settings)

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        result = compiled(dict(inputs))
        return [result[name] for name in OUTPUTS]

    return run, metadata


def _write_pt2(
    program: torch.export.ExportedProgram, file: Path, metadata: str, defaults: Mapping[str, np.ndarray]
) -> None:
    with new_file(file) as target:
        torch.export.save(program, target, extra_files={_KEY: metadata})


def _open_pt2(file: str, threads: int, dtype: str) -> tuple[Session, str | None]:
    extra: dict[str, Any] = {_KEY: ''}
    with quiet():
        module = torch.export.load(file, extra_files=extra).module()

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            return [output.numpy() for output in module(*(torch.from_numpy(inputs[name]) for name in INPUTS))]

    metadata = extra[_KEY]
    return run, (metadata.decode() if isinstance(metadata, bytes) else metadata) or None


@contextmanager
def _needs(names: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ImportError(_EXTRA.format(names)) from error


@contextmanager
def quiet() -> Iterator[None]:
    """The libraries report every step of an export."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
