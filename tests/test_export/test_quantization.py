"""The shipped detector in int8: what is in int8, what is measured, and when nothing is written."""

import re
import shutil

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from genvlkt_mmdet.apis import HOIInferencer, export_model, quantization, quantize_model
from genvlkt_mmdet.apis.quantization import agreement
from genvlkt_mmdet.cli import run_verb
from genvlkt_mmdet.export import quantize_openvino
from genvlkt_mmdet.minihoi import render_minihoi
from genvlkt_mmdet.structures import HOIDataSample

CONFIG, WEIGHTS = 'gen_vlkt_tiny_minihoi', 'genvlkt://gen_vlkt_tiny_minihoi.pth'


def quantized_weights(op):
    """Whether the weights of a matrix product are scaled: those in float are constants."""
    return op.input_value(1).get_node().get_type_name() == 'Multiply'


def prediction(boxes, labels):
    """Triplets with the same box for human and object."""
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    hois = InstanceData(human_boxes=boxes, object_boxes=boxes.clone(), hoi_labels=torch.tensor(labels))
    sample = HOIDataSample()
    sample.pred_hois = hois
    return sample


def test_agreement_worked_by_hand():
    box, half, far = [0, 0, 99, 99], [0, 0, 99, 49], [200, 200, 299, 299]
    one = prediction([box, box, far], [1, 2, 3])
    assert agreement([one], [one]) == 1
    assert agreement([one], [prediction([half, box], [1, 3])]) == pytest.approx(1 / 3)  # an IoU of 0.5 counts
    assert agreement([one, prediction([], [])], [prediction([], []), one]) == 0
    assert agreement([prediction([], [])], [one]) == 1
    late = prediction([box] * 21, [*[7] * 20, 1])  # rank 21
    assert agreement([prediction([box], [1])], [late]) == 0
    nothing, same = prediction([box], [1]), prediction([box], [1])
    nothing.pred_hois.object_boxes[:] = float('nan')
    assert agreement([nothing], [same]) == 0
    same.pred_hois.object_boxes[:] = float('nan')
    assert agreement([nothing], [same]) == 1


def test_without_nncf_it_is_one_sentence(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'nncf', None)
    with pytest.raises(ImportError, match=re.escape("nncf is not installed: pip install 'genvlkt[export,quantize]'.")):
        quantize_openvino('model.xml', 'int8.xml', [], dict)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--int8', '--calibrate', 'x.jpg'], '--int8 goes with --format openvino'),
        (['--int8', '--format', 'openvino'], '--int8 goes with --format openvino and --calibrate'),
        (['--calibrate', 'x.jpg'], 'go with --int8'),
        (['--int8', '--format', 'openvino', '--calibrate', 'absent.jpg'], "'absent.jpg'"),
    ],
)
def test_mistakes_on_the_command_line(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=re.escape(message)):
        run_verb('export', [CONFIG, WEIGHTS, '--out', 'x.xml', *options])


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('scenes')
    render_minihoi(folder, splits=('val',), sizes=dict(val=24))
    return folder


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """The shipped detector in float32. Its export takes most of the time, and happens once."""
    pytest.importorskip('openvino')
    return export_model(CONFIG, WEIGHTS, tmp_path_factory.mktemp('float32') / 'model.xml')


@pytest.mark.alone
def test_int8(exported, scenes, tmp_path, monkeypatch, capsys):
    pytest.importorskip('nncf', reason='int8 needs the extra `quantize`')
    openvino = pytest.importorskip('openvino')

    def copy(model, weights, file, format):
        for suffix in ('.xml', '.bin'):
            shutil.copy(exported.with_suffix(suffix), file.with_suffix(suffix))

    monkeypatch.setattr(quantization, 'export_model', copy)
    monkeypatch.chdir(tmp_path)  # no data/minihoi, and none is rendered
    images, annotations = scenes / 'images' / 'val', scenes / 'annotations' / 'val.json'
    report = quantize_model(
        CONFIG,
        WEIGHTS,
        'int8.xml',
        str(images),
        ann_file=annotations,
        image_folder=images,
        max_images=10,
        allow_loss=30,
    )
    assert report.measure == 'mAP' and report.num_images == 10
    assert list(report.models) == ['float32', 'bfloat16', 'int8', 'int8 and bfloat16'] and abs(report.loss) < 30
    assert all(0 < own.quality <= 100 and own.milliseconds > 0 for own in report.models.values())
    assert '| int8 ' in report.table()
    # ResNet-18 to stage 3 and the neck: 16 convolutions. Two encoder layers with 5 products each.
    assert report.num_operations == 26

    ops = openvino.Core().read_model('int8.xml').get_ops()
    kinds = {op.friendly_name: op.get_type_name() for op in ops}
    int8 = [op.friendly_name for op in ops if kinds[op.friendly_name] == 'MatMul' and quantized_weights(op)]
    assert len(int8) == 10 and all(name.startswith('encoder.') for name in int8)
    assert any(name.startswith('head.human_box_mlp.4/') for name in kinds)

    inferencer = HOIInferencer('int8.xml', show_progress=False, dtype='bfloat16')
    inferencer.model.set_vocabulary([('hold', 'cup')])
    assert next(inferencer.stream(str(images / sorted(p.name for p in images.iterdir())[0]), pred_score_thr=0))
    with pytest.raises(ValueError, match='is in int8 already'):
        quantize_openvino('int8.xml', 'again.xml', [], dict)

    # Another loss is never allowed: nothing is written, and what was there stays.
    before = (tmp_path / 'int8.xml').read_bytes()
    with pytest.raises(
        SystemExit, match=r'The model was not written: int8 costs .* points of agreement, and -1 are allowed'
    ):
        run_verb(
            'export',
            [CONFIG, WEIGHTS, '--format', 'openvino', '--out', 'int8.xml', '--int8', 'backbone', '--allow-loss', '-1']
            + ['--calibrate', *sorted(map(str, images.iterdir()))[:4]],
        )
    assert '2 images' in capsys.readouterr().out
    assert (tmp_path / 'int8.xml').read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ['int8.bin', 'int8.xml']


@pytest.mark.alone
def test_a_graph_without_names_of_modules(tmp_path):
    pytest.importorskip('nncf')
    openvino = pytest.importorskip('openvino')
    from openvino import opset13 as ops

    x = ops.parameter([1, 4], np.float32)
    model = openvino.Model([ops.relu(x)], [x])
    openvino.save_model(model, tmp_path / 'other.xml')
    with pytest.raises(ValueError, match='no operations of the encoder'):
        quantize_openvino(tmp_path / 'other.xml', tmp_path / 'int8.xml', [], dict)


@pytest.mark.alone
def test_bfloat16_of_openvino(exported):
    file = exported
    image = np.full((96, 128, 3), 90, np.uint8)
    full, half = (HOIInferencer(file, show_progress=False, dtype=dtype) for dtype in ('float32', 'bfloat16'))
    scores = [next(own.stream([image], pred_score_thr=0))[0]['score'] for own in (full, half)]
    assert scores[1] == pytest.approx(scores[0], abs=0.05)
    with pytest.raises(ValueError, match='dtype cannot be set'):
        HOIInferencer(file, dtype='float16')
