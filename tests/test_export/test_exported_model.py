"""The shipped detector in each format gives the results of the checkpoint."""

import json
import re

import numpy as np
import pytest
import torch

from genvlkt_mmdet.apis import HOIInferencer, attend, export_model
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.cli import run_verb
from genvlkt_mmdet.export import SUFFIXES, exported_model
from genvlkt_mmdet.minihoi.scenes import render_scene, sample_scene
from genvlkt_mmdet.serving import ServedModel
from genvlkt_mmdet.structures import HOIDataSample

pytest.importorskip('onnxruntime', reason='exported models need the extra `export`')
pytest.importorskip('onnxscript')
pytest.importorskip('openvino')

CONFIG, WEIGHTS = 'gen_vlkt_tiny_minihoi', 'genvlkt://gen_vlkt_tiny_minihoi.pth'
FIVE = [('hold', 'cup'), 'a person kicking a ball', 'riding a unicorn', ('wash', 'bicycle'), ('paint', 'horse')]
# More classes than in the training.
_VERBS = ['hold', 'push', 'ride', 'lift', 'kick', 'wash', 'feed', 'carry', 'throw', 'hug']
MANY = [(verb, noun) for verb in _VERBS for noun in ('cup', 'cat', 'ball', 'boat', 'unicorn', 'dog')]
VOCABULARIES = (None, FIVE, MANY)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """The shipped detector in every format. The network is traced once, which takes most of the time."""
    folder = tmp_path_factory.mktemp('exported')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('GENVLKT_CACHE', str(folder))  # of the text embeddings
        traced = []

        def trace_once(model, weights, original=exported_model.trace_network):
            if not traced:
                traced.append(original(model, weights))
            return traced[0]

        patch.setattr(exported_model, 'trace_network', trace_once)
        for name, suffix in SUFFIXES.items():
            export_model(CONFIG, WEIGHTS, folder / f'model{suffix}', name)
        yield {name: folder / f'model{suffix}' for name, suffix in SUFFIXES.items()}


@pytest.fixture(scope='module')
def reference():
    return HOIInferencer(show_progress=False, device='cpu')


@pytest.fixture(scope='module')
def images():
    """Ten rendered images, of which some are cut, so that batches are padded."""
    scenes = (render_scene(sample_scene(np.random.default_rng([14, i])))[0][..., ::-1] for i in range(10))
    return [np.ascontiguousarray(image[: 128 - 30 * (i % 3 == 1)]) for i, image in enumerate(scenes)]


def load(file, **kwargs):
    return HOIInferencer(str(file), show_progress=False, trust_config=file.suffix == '.pt2', **kwargs)


@pytest.fixture(scope='module', params=SUFFIXES)
def exported(request, files):
    return load(files[request.param])


def by_class(result):
    return {(hoi['query'], hoi['phrase'], hoi['object']): hoi for hoi in result}


@pytest.fixture(scope='module')
def expected(files, reference, images):
    """What the checkpoint finds with each vocabulary."""
    found = []
    for vocabulary in VOCABULARIES:
        if vocabulary is not None:
            reference.model.set_vocabulary(vocabulary)
        found.append((reference(images, batch_size=3, pred_score_thr=0.5)['predictions'], reference.vocabulary))
    reference.model.reset_vocabulary()
    return found


def test_the_same_triplets(exported, expected, images):
    for vocabulary, (wanted, classes) in zip(VOCABULARIES, expected, strict=True):
        if vocabulary is not None:
            exported.model.set_vocabulary(vocabulary)
        found = exported(images, batch_size=3, pred_score_thr=0.5)['predictions']
        assert exported.vocabulary == classes and sum(map(len, wanted)) >= 10
        for one, other in zip(map(by_class, found), map(by_class, wanted), strict=True):
            assert one.keys() == other.keys()
            for key, hoi in one.items():
                assert hoi['score'] == pytest.approx(other[key]['score'], abs=1e-4)
                assert hoi['human_box'] == pytest.approx(other[key]['human_box'], abs=0.01)
                assert hoi['object_box'] == pytest.approx(other[key]['object_box'], abs=0.01)
    exported.model.set_vocabulary(FIVE[:1])
    assert {hoi['phrase'] for hoi in next(exported.stream(images[:1], pred_score_thr=0))} == {'person holding a cup'}
    exported.model.reset_vocabulary()
    assert exported.vocabulary == expected[0][1]
    result = next(exported.stream(images[:1], pred_score_thr=0.5))
    assert by_class(result).keys() == by_class(expected[0][0][0]).keys() and result.plot().shape[2] == 3


def test_the_server_takes_exported_models(exported, reference):
    content, found = asset_path('example.jpg').read_bytes(), []
    models = [ServedModel(exported), ServedModel(reference)]
    for phrases in ([], ['wash, chair', 'a person juggling a unicorn'], []):
        for model in models:
            images = [model.prepare(content, phrases, 0.5, 100) for _ in range(2)]
            first, second = model.predict(images[0].batch_key, images)
            found.append(by_class(first))
            assert by_class(second).keys() == found[-1].keys()
    for one, other in zip(found[::2], found[1::2], strict=True):
        assert one.keys() == other.keys() and one
        for key, hoi in one.items():
            assert hoi['score'] == pytest.approx(other[key]['score'], abs=1e-4)
    assert found[0].keys() == found[4].keys() != found[2].keys()


@torch.no_grad()
def test_logits_of_other_sizes(exported, reference):
    model = exported.model
    for shape, sizes in (((1, 160, 201), [(160, 201)]), ((3, 97, 64), [(97, 64), (33, 64), (90, 50)])):
        inputs = torch.randn(shape[0], 3, *shape[1:], generator=torch.Generator().manual_seed(0))
        samples = [HOIDataSample(metainfo=dict(img_shape=size)) for size in sizes]
        expected = reference.model(inputs, samples, mode='tensor')
        found = model.run_network(inputs.numpy(), np.array(sizes))
        for key, value in found.items():
            np.testing.assert_allclose(value, expected[key][-1], atol=1e-3, rtol=0, err_msg=key)


def test_nothing_is_sent_to_the_maker_of_the_converter(files):
    telemetry = pytest.importorskip('openvino_telemetry')
    assert not telemetry.Telemetry().consent  # the one object of the process


def test_onnx_runs_without_class_weights(files):
    import onnxruntime

    model = load(files['onnx']).model
    session = onnxruntime.InferenceSession(str(files['onnx']), providers=['CPUExecutionProvider'])
    images, sizes = np.random.default_rng(0).normal(size=(1, 3, 90, 100)).astype(np.float32), np.array([[90, 100]])
    plain = session.run(['hoi_logits'], dict(images=images, image_sizes=sizes))[0]
    np.testing.assert_allclose(plain, model.run_network(images, sizes)['hoi_logits'], atol=1e-5)
    assert [i.name for i in session.get_inputs()] == ['images', 'image_sizes']


def test_command_line(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_verb('infer', [str(asset_path('example.jpg')), '--weights', str(files['onnx']), '--score-thr', '0.5'])
    written = json.loads((tmp_path / 'out' / 'preds' / 'example.json').read_text())
    assert written['hois'] and (tmp_path / 'out' / 'vis' / 'example.jpg').is_file()
    with pytest.raises(SystemExit, match="'x.xml' must have the suffix of its format"):
        run_verb('export', [CONFIG, WEIGHTS, '--format', 'onnx', '--out', 'x.xml'])
    with pytest.raises(SystemExit, match='is exported already'):
        run_verb('export', [CONFIG, str(files['onnx']), '--out', 'x.onnx'])


def test_settings_that_only_a_checkpoint_has(files):
    for name, value in dict(device='cuda:0', dtype='bfloat16', compile=True).items():
        with pytest.raises(ValueError, match=f'{name} cannot be set for an exported model'):
            load(files['onnx'], **{name: value})
    with pytest.raises(ValueError, match='model cannot be set'):
        HOIInferencer(CONFIG, files['onnx'])
    with pytest.raises(ValueError, match='does not show where it looks'):
        attend(load(files['onnx']), np.zeros((64, 64, 3), np.uint8))


def changed(file, tmp_path, change):
    """A copy of the ONNX file with other metadata."""
    import onnx

    model = onnx.load(file)
    entry = next(entry for entry in model.metadata_props if entry.key == 'genvlkt')
    meta = json.loads(entry.value)
    change(meta)
    entry.value = json.dumps(meta)
    onnx.save(model, tmp_path / 'changed.onnx')
    return tmp_path / 'changed.onnx'


def set_shape(meta):
    meta['class_weights']['hoi_bias']['shape'] = [3, 3]


def shorten(meta):
    weights = meta['class_weights']['obj_bias']
    weights.update(float32=weights['float32'][:16], shape=[3])


def name_a_module(meta):
    cfg = json.loads(meta['cfg_json'])
    cfg['model']['data_preprocessor'] = dict(type='os.system', command='true')
    meta['cfg_json'] = json.dumps(cfg)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda meta: meta.update(version=99), 'another version of genvlkt'),
        (lambda meta: meta.pop('dataset_meta'), "field 'dataset_meta' is missing"),
        (lambda meta: meta.update(text_classifiers='yes'), 'does not hold what it should'),
        (lambda meta: meta['dataset_meta'].update(vocabulary='hico'), 'does not hold what it should'),
        (set_shape, 'does not hold what it should'),
        (shorten, 'obj_bias does not fit the vocabulary'),
        (name_a_module, "names 'os.system'"),
    ],
)
def test_damaged_metadata_is_one_sentence(change, message, files, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load(changed(files['onnx'], tmp_path, change))
    assert 'changed.onnx' in str(caught.value) and '\n' not in str(caught.value)


def test_other_files(files, tmp_path):
    for suffix in ('.onnx', '.xml', '.pt2'):
        file = tmp_path / f'damaged{suffix}'
        file.write_bytes(files['onnx'].read_bytes()[:1000])
        with pytest.raises(ValueError, match='cannot be opened as an exported model') as caught:
            load(file)
        assert '\n' not in str(caught.value)
    import onnx

    tensor = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node('Relu', ['x'], ['y'])
    graph = onnx.helper.make_graph([node], 'other', [tensor], [onnx.helper.make_tensor_value_info('y', 1, [1])])
    opsets = [onnx.helper.make_opsetid('', 18)]
    onnx.save(onnx.helper.make_model(graph, ir_version=9, opset_imports=opsets), tmp_path / 'other.onnx')
    with pytest.raises(ValueError, match="other.onnx' was not exported by genvlkt"):
        load(tmp_path / 'other.onnx')
    with pytest.raises(FileNotFoundError, match="'absent.onnx' does not exist"):
        HOIInferencer('absent.onnx')
    with pytest.raises(ValueError, match='can run code of its author'):
        HOIInferencer(str(files['pt2']))
