"""Exports a model for ONNX Runtime, OpenVINO or PyTorch alone."""

from pathlib import Path

from mmengine.config import Config

from ..export import SUFFIXES, is_exported, write_exported
from .hoi_inferencer import HOIInferencer


def export_model(
    model: str | Path | dict | Config | None,
    weights: str | Path,
    file: str | Path,
    format: str | None = None,
    trust_config: bool = False,
) -> Path:
    """Writes a trained model as a file that :class:`HOIInferencer` and other programs can run.

    The file has the network, in float32 for the CPU, from normalised images to logits and boxes. Batch size, image sizes and the
    classes stay free. Vocabulary, preprocessing and the selection of triplets are in its metadata.

    Args:
        model (str | Path | dict | Config, optional): As of :class:`HOIInferencer`. None: the config in the checkpoint.
        weights (str | Path): Checkpoint.
        file (str | Path): The file to write. The format of OpenVINO has a second file, with the suffix ``.bin``.
        format (str, optional): ``'onnx'``, ``'openvino'`` (suffix ``.xml``) or ``'pt2'``. None: that of the suffix of ``file``.
        trust_config (bool): As of :class:`HOIInferencer`.

    Returns:
        Path: The file.

    Raises:
        ImportError: If the extra ``export`` is not installed.
        ValueError: If the suffix does not fit the format, or the model cannot be exported. Further errors: as of
            :class:`HOIInferencer`.
        OSError: If the file cannot be written.

    Example::

        export_model('gen_vlkt_s_hico', 'gen_vlkt_s_hico.pth', 'gen_vlkt_s_hico.onnx')
        inferencer = HOIInferencer('gen_vlkt_s_hico.onnx')
    """
    file = Path(file)
    if format is None:
        format = next((name for name, suffix in SUFFIXES.items() if file.suffix.lower() == suffix), None)
    if format not in SUFFIXES or file.suffix.lower() != SUFFIXES[format]:
        known = ', '.join(f'{suffix} for {name}' for name, suffix in SUFFIXES.items())
        raise ValueError(f"The file '{file}' must have the suffix of its format: {known}.")
    if is_exported(weights) or is_exported(model):
        raise ValueError(f"'{weights or model}' is exported already: give the checkpoint.")
    options = dict(device='cpu', show_progress=False, trust_config=trust_config, optimize=False)
    inferencer = HOIInferencer(model, weights, **options)  # type: ignore[arg-type]
    write_exported(inferencer.model, inferencer.cfg, file, format)
    return file
