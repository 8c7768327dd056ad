import json
import os
import sys
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData

import genvlkt_mmdet  # noqa: F401  (registers)
from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.apis.configs import find_config
from genvlkt_mmdet.converters import load_checkpoint
from genvlkt_mmdet.datasets.video_file import new_video
from genvlkt_mmdet.engine import CheckpointError, ConfigError
from genvlkt_mmdet.structures import HOIDataSample
from genvlkt_mmdet.vocabulary import load_vocabulary

MODEL = 'gen_vlkt_tiny_minihoi'


def _photo(seed, height=96, width=128):
    """Smooth noise: JPEG and PNG alike keep it."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def folder(tmp_path):
    """Three pictures of different sizes; one has an upper case suffix; and a file that is none."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    cv2.imwrite(str(folder / 'b.png'), _photo(0))
    cv2.imwrite(str(folder / 'a.png'), _photo(1, 128, 100))
    (folder / 'c.png').write_bytes((folder / 'b.png').read_bytes())
    (folder / 'c.png').rename(folder / 'c.PNG')
    (folder / 'notes.txt').write_text('no picture')
    return folder


def test_triplets_are_those_of_the_model(inferencer):
    image = _photo(0)
    result = inferencer(image, pred_score_thr=0)
    assert result['images'] == [None] and result['visualization'] == []
    (triplets,) = result['predictions']
    sample = inferencer(image, pred_score_thr=0, return_datasamples=True)['predictions'][0]
    hois, vocabulary = sample.pred_hois, load_vocabulary('minihoi')
    assert len(triplets) == len(hois) > 3
    limits = torch.tensor([128.0, 96, 128, 96])
    for i in (0, 2, len(hois) - 1):
        label = int(hois.hoi_labels[i])
        name = vocabulary.object_names[vocabulary.hoi_objects[label]]
        assert triplets[i] == dict(
            human_box=pytest.approx(hois.human_boxes[i].clamp(min=0).minimum(limits).tolist()),
            object_box=pytest.approx(hois.object_boxes[i].clamp(min=0).minimum(limits).tolist()),
            object=name,
            verb=vocabulary.verb_names[vocabulary.hoi_verbs[label]],
            phrase=vocabulary.phrase(label),
            score=pytest.approx(float(hois.scores[i])),
            confidence=pytest.approx(max(0, float(hois.scores[i]) - 1)),
            query=int(hois.query_ids[i]),
        )
    assert json.loads(json.dumps(triplets)) == triplets


def test_threshold_and_top_k(inferencer):
    image = _photo(0)
    scores = [t['score'] for t in inferencer(image, pred_score_thr=0)['predictions'][0]]
    assert scores == sorted(scores, reverse=True)
    threshold = (scores[4] + scores[5]) / 2
    kept = inferencer(image, pred_score_thr=threshold)['predictions'][0]
    assert [t['score'] for t in kept] == scores[: len(kept)] and kept[-1]['score'] > threshold >= scores[len(kept)]
    assert len(inferencer(image, pred_score_thr=0, top_k=3)['predictions'][0]) == 3
    assert inferencer(image, pred_score_thr=2)['predictions'] == [[]]


def test_path_array_list_and_folder_agree_in_any_batch_size(inferencer, folder):
    alone = inferencer(folder / 'b.png', pred_score_thr=0, top_k=5)
    assert alone['images'] == [str(folder / 'b.png')]
    array = cv2.imread(str(folder / 'b.png'))
    inputs = [str(folder / 'a.png'), folder / 'b.png', array]
    several = inferencer(inputs, batch_size=2, pred_score_thr=0, top_k=5)
    whole = inferencer(str(folder), batch_size=3, pred_score_thr=0, top_k=5)
    assert several['images'] == [str(folder / 'a.png'), str(folder / 'b.png'), None]
    assert whole['images'] == [str(folder / name) for name in ('a.png', 'b.png', 'c.PNG')]
    # the array was alone in its batch; beside 'a.png', pictures are padded
    for other, tolerance in ((several['predictions'][2], 1e-5), (several['predictions'][1], 0.05)):
        best = alone['predictions'][0][0]
        its = next(triplet for triplet in other if triplet['phrase'] == best['phrase'])
        assert best['score'] == pytest.approx(its['score'], abs=tolerance)
        assert best['human_box'] == pytest.approx(its['human_box'], abs=10 * tolerance)
    first, second = ([t['phrase'] for t in triplets] for triplets in whole['predictions'][1:])
    assert first == second
    assert whole['predictions'][0] != whole['predictions'][1]


def test_boxes_are_in_pixels_of_the_original_picture(inferencer):
    small = inferencer(_photo(0, 96, 128), pred_score_thr=0, top_k=1)['predictions'][0][0]
    # the pipeline brings both to 128 x 96
    large = inferencer(_photo(0, 960, 1280), pred_score_thr=0, return_datasamples=True)['predictions'][0]
    assert large.ori_shape == (960, 1280) and large.img_shape == (96, 128)
    box = large.pred_hois.human_boxes[0].numpy()
    assert box.max() > 300
    assert np.abs(box / 10 - small['human_box']).max() < 15


def test_turned_photo_is_seen_upright(inferencer, tmp_path):
    from PIL import Image

    upright = Image.fromarray(_photo(3)[..., ::-1])
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees
    upright.rotate(90, expand=True).save(tmp_path / 'turned.png', exif=exif)
    upright.save(tmp_path / 'upright.png')
    turned, plain = inferencer([tmp_path / 'turned.png', tmp_path / 'upright.png'], pred_score_thr=0, top_k=3)[
        'predictions'
    ]
    assert turned == plain


def test_output_folder(inferencer, folder, tmp_path):
    out = tmp_path / 'out'
    twin = tmp_path / 'other'
    twin.mkdir()
    (twin / 'b.png').write_bytes((folder / 'b.png').read_bytes())
    inputs = [folder / 'b.png', twin / 'b.png', _photo(2)]
    result = inferencer(inputs, out_dir=out, return_vis=True, pred_score_thr=0, top_k=2)
    names = ['00000002', 'b', 'b_1']
    assert sorted(p.name for p in (out / 'vis').iterdir()) == ['00000002.jpg', 'b.png', 'b_1.png']
    assert sorted(p.stem for p in (out / 'preds').iterdir()) == names
    record = json.loads((out / 'preds' / 'b_1.json').read_text())
    assert record == dict(image=str(twin / 'b.png'), width=128, height=96, hois=result['predictions'][1])
    drawing = result['visualization'][0]
    assert drawing.shape[:2] == (480, 640) or drawing.shape[0] > 480  # enlarged, perhaps with a list below
    np.testing.assert_array_equal(cv2.imread(str(out / 'vis' / 'b.png'))[..., ::-1], drawing)

    inferencer(folder / 'a.png', out_dir=tmp_path / 'json', no_save_vis=True)
    inferencer(folder / 'a.png', out_dir=tmp_path / 'vis', no_save_pred=True)
    assert [p.name for p in (tmp_path / 'json').iterdir()] == ['preds']
    assert [p.name for p in (tmp_path / 'vis').iterdir()] == ['vis']


def test_print_result(inferencer, capsys):
    inferencer(_photo(0), pred_score_thr=0, top_k=1, print_result=True)
    assert "'phrase': 'person" in capsys.readouterr().out


def test_triplet_without_object(inferencer, monkeypatch):
    vcoco = load_vocabulary('vcoco')
    monkeypatch.setattr(inferencer.model, 'dataset_meta', dict(vocabulary=vcoco.to_dict()))
    sample = HOIDataSample(metainfo=dict(ori_shape=(100, 200)))
    sample.pred_hois = InstanceData(
        human_boxes=torch.tensor([[-5.0, 10, 40, 120]] * 3),
        object_boxes=torch.tensor([[30.0, 20, 50, 40], [30, 20, 50, 40], [float('nan')] * 4]),
        hoi_labels=torch.tensor(
            [vcoco.hoi_index('hold_obj', 'cup'), vcoco.hoi_index('stand', None), vcoco.hoi_index('hold_obj', 'cup')]
        ),
        scores=torch.tensor([1.5, 1.25, 0.75]),
        query_ids=torch.tensor([4, 4, 2]),
    )
    hold, stand, hidden = inferencer.pred2list(sample)
    human = [0.0, 10.0, 40.0, 100.0]
    cup = [30.0, 20.0, 50.0, 40.0]
    assert hold == dict(
        human_box=human,
        object_box=cup,
        object='cup',
        verb='hold_obj',
        phrase='person holding a cup',
        score=1.5,
        confidence=0.5,
        query=4,
    )
    assert stand == dict(
        human_box=human,
        object_box=None,
        object=None,
        verb='stand',
        phrase='person standing',
        score=1.25,
        confidence=0.25,
        query=4,
    )
    assert hidden['object'] == 'cup' and hidden['object_box'] is None
    assert hidden['confidence'] == 0 and hidden['query'] == 2


def test_needs_no_clip(weights, monkeypatch):
    monkeypatch.setitem(sys.modules, 'open_clip', None)  # importing it now fails
    inferencer = HOIInferencer(MODEL, weights, device='cpu', show_progress=False)
    assert inferencer(_photo(0), pred_score_thr=0, top_k=1)['predictions'][0]


def test_config_from_the_checkpoint(weights, inferencer):
    own = HOIInferencer(weights=weights, device='cpu', show_progress=False)
    image = _photo(4)
    assert own(image, pred_score_thr=0) == inferencer(image, pred_score_thr=0)


def test_vocabulary_of_the_config_where_the_checkpoint_has_none(weights, tmp_path):
    checkpoint = load_checkpoint(str(weights))
    torch.save(checkpoint['state_dict'], tmp_path / 'bare.pth')
    cfg = Config.fromfile(find_config(MODEL))
    vocabulary = load_vocabulary('minihoi').to_dict()
    vocabulary['name'] = 'mine'
    cfg.model.bbox_head.vocabulary = vocabulary
    inferencer = HOIInferencer(cfg, tmp_path / 'bare.pth', device='cpu', show_progress=False)
    assert inferencer.vocabulary.name == 'mine'
    assert cfg.test_dataloader.dataset.pipeline[0].type == 'LoadHOIImage'  # the caller's config is untouched


def test_short_names():
    path = find_config('gen_vlkt_s_hico')
    assert path.name == 'gen_vlkt_s_hico.py' and path == find_config('gen_vlkt_s_hico.py')
    with pytest.raises(FileNotFoundError, match=r"'gen_vlkt_s_hicco' is neither .* did you mean gen_vlkt_s_hico"):
        find_config('gen_vlkt_s_hicco')
    with pytest.raises(
        FileNotFoundError, match=r"'/nowhere/qqq.py' is neither .* shipped .* such as .*gen_vlkt_s_hico"
    ):
        find_config('/nowhere/qqq.py')


@pytest.mark.parametrize(
    ('inputs', 'error', 'message'),
    [
        ('missing.jpg', FileNotFoundError, r"Image '.*missing.jpg' does not exist"),
        ('broken.jpg', ValueError, r"broken.jpg' is no image that can be decoded"),
        ('empty.jpg', ValueError, r"empty.jpg' is no image that can be decoded"),
        ('nothing', ValueError, r"Folder '.*nothing' holds no image"),
        (['nothing'], FileNotFoundError, r"nothing' is a folder: give it alone"),
        (np.zeros((4, 4), np.uint8), ValueError, r'\(H, W, 3\) uint8 .* \(4, 4\) uint8'),
        (np.zeros((4, 4, 3)), ValueError, r'\(4, 4, 3\) float64'),
    ],
)
def test_bad_inputs(inferencer, tmp_path, inputs, error, message):
    (tmp_path / 'broken.jpg').write_bytes(b'\xff\xd8\xff\xe0 cut off')
    (tmp_path / 'empty.jpg').write_bytes(b'')
    (tmp_path / 'nothing').mkdir()
    if isinstance(inputs, str):
        inputs = tmp_path / inputs
    elif isinstance(inputs, list):
        inputs = [tmp_path / name for name in inputs]
    with pytest.raises(error, match=message) as caught:
        inferencer(inputs)
    assert '\n' not in str(caught.value)


def test_bad_checkpoints(weights, tmp_path):
    with pytest.raises(ValueError, match='needs weights='):
        HOIInferencer(MODEL)
    with pytest.raises(FileNotFoundError, match="'.*gone.pth' does not exist"):
        HOIInferencer(MODEL, tmp_path / 'gone.pth')
    checkpoint = load_checkpoint(str(weights))
    content = weights.read_bytes()
    for name, data in (('text.pth', b'hello'), ('empty.pth', b''), ('cut.pth', content[: len(content) // 2])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f"{name}' is no checkpoint of torch, or is damaged"):
            HOIInferencer(MODEL, tmp_path / name)
    torch.save(dict(state_dict=Path.home), tmp_path / 'unsafe.pth')
    with pytest.raises(CheckpointError, match="unsafe.pth' holds an object of pathlib"):
        HOIInferencer(MODEL, tmp_path / 'unsafe.pth')
    torch.save(dict(state_dict=checkpoint['state_dict']), tmp_path / 'no_config.pth')
    with pytest.raises(CheckpointError, match=r"no_config.pth' carries no config: give"):
        HOIInferencer(weights=tmp_path / 'no_config.pth')

    other = Config.fromfile(find_config(MODEL))
    other.model.bbox_head.vocabulary = 'vcoco'
    with pytest.raises(CheckpointError, match=r'does not fit the config .*hoi_classifier'):
        HOIInferencer(other, weights)


def test_checkpoint_of_another_vocabulary_of_the_same_size(weights, tmp_path):
    checkpoint = load_checkpoint(str(weights))
    vocabulary = load_vocabulary('minihoi').to_dict()
    verbs = vocabulary['verbs']
    verbs[0], verbs[1] = verbs[1], verbs[0]
    checkpoint['meta']['dataset_meta'] = dict(vocabulary=vocabulary)
    torch.save(checkpoint, tmp_path / 'other.pth')
    for model in (MODEL, None):
        with pytest.raises(
            CheckpointError, match=r'other.pth was trained with another vocabulary than .* its HOI class'
        ) as caught:
            HOIInferencer(model, tmp_path / 'other.pth', device='cpu', show_progress=False)
        assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ({'model.bbox_head.num_querys': 3}, "^model: GENHead has no setting 'num_querys': did you mean num_queries"),
        ({'model.bbox_head.type': 'GENHed'}, "^model: no part is registered as 'GENHed': did you mean GENHead"),
        ({'model.backbone.depth': 7}, '^model: .*7'),
        (
            {'test_dataloader.dataset.pipeline.1': dict(type='HOIResizeShort')},
            "^test_dataloader.dataset.pipeline: no part is registered as 'HOIResizeShort': did you mean HOIResizeShortSide",
        ),
        ({'visualizer.max_hoi': 3}, "^visualizer: HOIVisualizer has no setting 'max_hoi': did you mean max_hois"),
    ],
)
def test_wrong_settings_of_a_config(weights, options, sentence):
    cfg = Config.fromfile(find_config(MODEL))
    cfg.merge_from_dict(options)
    with pytest.raises(ConfigError, match=sentence) as caught:
        HOIInferencer(cfg, weights, device='cpu', show_progress=False)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'size',
    [(1, 1), (1, 2), (8, 4000), (4000, 8), (1, 5000), (5000, 1), (2, 300)],
    ids=lambda size: f'{size[0]}x{size[1]}',
)
def test_extreme_shapes(inferencer, tmp_path, size):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((*size, 3), 90, np.uint8))
    result = inferencer(tmp_path / 'a.png', pred_score_thr=0, top_k=3, out_dir=tmp_path / 'out')
    assert len(result['predictions'][0]) == 3 and result['broken'] == []
    for triplet in result['predictions'][0]:
        assert 0 <= triplet['human_box'][0] <= triplet['human_box'][2] <= size[1]
    assert (tmp_path / 'out' / 'vis' / 'a.png').stat().st_size > 100


def test_shape_that_the_pipeline_of_a_config_cannot_prepare(weights, tmp_path):
    cfg = Config.fromfile(find_config(MODEL))
    cfg.test_dataloader.dataset.pipeline[1] = dict(type='Resize', scale=(128, 128), keep_ratio=True)
    inferencer = HOIInferencer(cfg, weights, device='cpu', show_progress=False)
    with pytest.raises(ValueError, match='has 4000 x 8 pixels, which the test pipeline of the config cannot prepare'):
        inferencer(np.zeros((8, 4000, 3), np.uint8))


def test_large_image_is_drawn_at_a_bounded_size(inferencer):
    drawing = inferencer(_photo(0, 2400, 4000), pred_score_thr=0, top_k=1, return_vis=True)['visualization'][0]
    assert drawing.shape[1] == 3000 and drawing.shape[0] >= 1800


def test_max_pixels(inferencer, folder):
    with pytest.raises(ValueError, match="b.png' has 128 x 96 pixels, more than the 12,000 allowed"):
        inferencer(folder / 'b.png', max_pixels=12_000)
    assert len(inferencer(folder / 'b.png', max_pixels=128 * 96)['images']) == 1


def test_broken_images_of_a_folder_are_listed_and_the_others_finished(inferencer, folder, tmp_path):
    (folder / 'aa.jpg').write_bytes(b'\xff\xd8\xff\xe0 cut off')
    (folder / 'z.png').write_bytes((folder / 'b.png').read_bytes()[:60])
    whole = inferencer(folder, batch_size=2, pred_score_thr=0, top_k=2, out_dir=tmp_path / 'out')
    assert [Path(path).name for path in whole['images']] == ['a.png', 'b.png', 'c.PNG']
    assert [Path(item['image']).name for item in whole['broken']] == ['aa.jpg', 'z.png']
    assert all('is no image that can be decoded' in item['error'] for item in whole['broken'])
    assert len(list((tmp_path / 'out' / 'vis').iterdir())) == len(list((tmp_path / 'out' / 'preds').iterdir())) == 3
    for name in ('a.png', 'b.png', 'c.PNG'):
        (folder / name).unlink()
    only_broken = inferencer(folder)
    assert only_broken['images'] == [] and len(only_broken['broken']) == 2


def test_stream_gives_the_results_of_a_call(inferencer, folder, tmp_path):
    (folder / 'aa.jpg').write_bytes(b'cut off')
    expected = inferencer(folder, pred_score_thr=0, top_k=3, batch_size=2, out_dir=tmp_path / 'one')
    broken = []
    results = list(
        inferencer.stream(
            folder, pred_score_thr=0, top_k=3, batch_size=2, broken=broken, out_dir=tmp_path / 'two', no_save_vis=True
        )
    )
    assert results == expected['predictions'] and broken == expected['broken'] and len(broken) == 1
    assert [result.image for result in results] == expected['images']
    for result, called in zip(results, expected['predictions'], strict=True):
        np.testing.assert_array_equal(result.pixels, cv2.imread(result.image))
        assert (result.height, result.width) == result.pixels.shape[:2] and called.pixels is None
        name = f'preds/{Path(result.image).stem}.json'
        record = json.loads((tmp_path / 'two' / name).read_text())
        assert record == result.to_dict() == json.loads((tmp_path / 'one' / name).read_text())
    assert [path.name for path in (tmp_path / 'two').iterdir()] == ['preds']
    assert inferencer(_photo(0), pred_score_thr=0, top_k=1)['predictions'][0].plot().shape[2] == 3


def test_stream_reads_one_batch_at_a_time(inferencer):
    read = []

    def endless():
        while True:
            read.append(len(read))
            yield _photo(len(read), 32, 32)

    results = inferencer.stream(endless(), batch_size=2, pred_score_thr=0, top_k=1)
    assert read == []
    first = [next(results) for _ in range(2)]
    assert read == [0, 1]
    next(results)
    assert read == [0, 1, 2, 3] and all(len(result) == 1 for result in first)


def test_stream_skips_or_raises(inferencer, folder, monkeypatch):
    logged = []
    monkeypatch.setattr('genvlkt_mmdet.apis.hoi_inferencer.print_log', lambda text, *_: logged.append(text))
    (folder / 'aa.jpg').write_bytes(b'cut off')
    assert len(list(inferencer.stream(folder))) == 3
    assert len(logged) == 1 and "aa.jpg' is no image that can be decoded" in logged[0]
    with pytest.raises(ValueError, match="aa.jpg' is no image"):
        next(inferencer.stream(folder / 'aa.jpg'))
    # before the first result is asked for
    with pytest.raises(FileNotFoundError, match='gone.jpg'):
        inferencer.stream([folder / 'a.png', 'gone.jpg'])
    with pytest.raises(ValueError, match='stride must be a whole number'):
        inferencer.stream(folder, stride=0)


def test_video(inferencer, tmp_path):
    pytest.importorskip('av')
    with new_video(tmp_path / 'a.mp4', 10) as video:
        for i in range(5):
            video.write(_photo(i))
    results = list(inferencer.stream(tmp_path / 'a.mp4', stride=2, pred_score_thr=0, top_k=2))
    assert [result.frame for result in results] == [0, 2, 4] and results[1].time == pytest.approx(0.2, abs=1e-3)
    assert all(len(result) == 2 and result.pixels.shape == (96, 128, 3) for result in results)
    called = inferencer(tmp_path / 'a.mp4', stride=2, pred_score_thr=0, top_k=2, out_dir=tmp_path / 'out')
    assert called['predictions'] == results and called['predictions'][0].pixels is None
    assert sorted(path.name for path in (tmp_path / 'out' / 'vis').iterdir()) == [f'a_00000{i}.jpg' for i in (0, 2, 4)]
    assert json.loads((tmp_path / 'out' / 'preds' / 'a_000002.json').read_text())['frame'] == 2


def test_shipped_model_is_the_default(weights, inferencer, tmp_path, monkeypatch):
    content = load_checkpoint(str(weights))
    halved = {key: value.half() if value.is_floating_point() else value for key, value in content['state_dict'].items()}
    torch.save(dict(state_dict=halved), tmp_path / 'gen_vlkt_tiny_minihoi.pth')  # as published checkpoints are
    monkeypatch.setattr('genvlkt_mmdet.assets._FOLDER', tmp_path)
    shipped = HOIInferencer(device='cpu', show_progress=False)
    image = _photo(0)
    one, other = (each(image, pred_score_thr=0, top_k=1)['predictions'][0][0] for each in (shipped, inferencer))
    assert one['phrase'] == other['phrase'] and one['score'] == pytest.approx(other['score'], abs=0.01)


@pytest.mark.parametrize(
    'option',
    [
        dict(batch_size=0),
        dict(batch_size=-1),
        dict(batch_size=1.5),
        dict(batch_size=True),
        dict(pred_score_thr=float('nan')),
        dict(pred_score_thr=float('inf')),
        dict(pred_score_thr=-0.1),
        dict(pred_score_thr=2.5),
        dict(pred_score_thr='1'),
        dict(top_k=-1),
        dict(top_k=0),
        dict(wait_time=float('nan')),
        dict(max_pixels=0),
        dict(stride=0),
    ],
    ids=str,
)
def test_options_out_of_range(inferencer, option):
    with pytest.raises(ValueError, match=f'^{next(iter(option))} must be a (whole|finite) number'):
        inferencer(_photo(0), **option)


@pytest.mark.parametrize('device', ['foo', 'cuda:99', 'meta', ''])
def test_device_that_is_not_there(weights, device):
    with pytest.raises(ValueError, match=f"The device '{device}' cannot be used here: take one of cpu"):
        HOIInferencer(MODEL, weights, device=device)


def test_output_folder_that_cannot_be_used(inferencer, folder, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match="The output folder '.*file' is a file"):
        inferencer(folder / 'b.png', out_dir=tmp_path / 'file')
    elsewhere, out = tmp_path / 'elsewhere', tmp_path / 'out'
    elsewhere.mkdir()
    out.mkdir()
    (out / 'vis').symlink_to(elsewhere)
    with pytest.raises(ValueError, match="out/vis' is a symbolic link, which is not followed"):
        inferencer(folder / 'b.png', out_dir=out)
    assert list(elsewhere.iterdir()) == []


def test_links_in_the_output_folder_are_replaced(inferencer, folder, tmp_path):
    target, out = tmp_path / 'precious', tmp_path / 'out'
    target.write_text('mine')
    for part, name in (('vis', 'b.png'), ('preds', 'b.json')):
        (out / part).mkdir(parents=True)
        (out / part / name).symlink_to(target)
    inferencer(folder / 'b.png', out_dir=out)
    assert target.read_text() == 'mine'
    assert json.loads((out / 'preds' / 'b.json').read_text())['width'] == 128
    assert cv2.imread(str(out / 'vis' / 'b.png')) is not None


def test_full_disk_leaves_no_empty_image(inferencer, folder, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r"vis/b.png' cannot be written: No space left on device\.$"):
        inferencer(folder / 'b.png', out_dir=tmp_path / 'out')
    assert list((tmp_path / 'out' / 'vis').iterdir()) == []


def test_output_that_is_not_finite(weights):
    inferencer = HOIInferencer(MODEL, weights, device='cpu', show_progress=False)
    with torch.no_grad():
        next(inferencer.model.bbox_head.human_box_mlp.parameters()).fill_(float('nan'))
    with pytest.raises(ValueError, match="The model's output is not finite"):
        inferencer(_photo(0))


@pytest.mark.parametrize('wrap', ['ConcatDataset', 'RepeatDataset'])
def test_wrapped_test_set(weights, inferencer, wrap):
    cfg = Config.fromfile(find_config(MODEL))
    dataset = cfg.test_dataloader.dataset
    cfg.test_dataloader.dataset = (
        dict(type=wrap, datasets=[dataset, deepcopy(dataset)])
        if wrap == 'ConcatDataset'
        else dict(type=wrap, dataset=dataset, times=2)
    )
    wrapped = HOIInferencer(cfg, weights, device='cpu', show_progress=False)
    image = _photo(5)
    assert wrapped(image, pred_score_thr=0) == inferencer(image, pred_score_thr=0)
    if wrap == 'ConcatDataset':
        cfg.test_dataloader.dataset.datasets[1].pipeline[1].scale = 64
        with pytest.raises(ValueError, match='have different pipelines'):
            HOIInferencer(cfg, weights, device='cpu')


def test_checkpoint_of_other_content(weights, tmp_path):
    checkpoint = torch.load(weights)
    cases = dict(
        list=[1, 2],
        text=dict(checkpoint, state_dict=dict.fromkeys(checkpoint['state_dict'], 'text')),
        meta=dict(checkpoint, meta=dict(dataset_meta=dict(vocabulary='hico'))),
        other=dict(checkpoint, meta=dict(dataset_meta=dict(vocabulary=load_vocabulary('vcoco').to_dict()))),
    )
    for name, content in cases.items():
        torch.save(content, tmp_path / f'{name}.pth')
        with pytest.raises(ValueError, match=f'{name}.pth') as caught:
            HOIInferencer(MODEL, tmp_path / f'{name}.pth', device='cpu')
        assert '\n' not in str(caught.value)
    import zipfile

    with zipfile.ZipFile(tmp_path / 'bare.pth', 'w') as archive:
        archive.writestr('a.txt', 'x')
    with pytest.raises(ValueError, match='bare.pth'):
        HOIInferencer(MODEL, tmp_path / 'bare.pth', device='cpu')


def test_config_that_fails_or_is_of_another_model(weights, tmp_path):
    (tmp_path / 'broken.py').write_text('model = dict(')
    with pytest.raises(ValueError, match='broken.py cannot be read: SyntaxError'):
        HOIInferencer(tmp_path / 'broken.py', weights, device='cpu')
    with pytest.raises(ValueError, match='describes no model with a test set'):
        HOIInferencer(dict(model=dict(type='GENVLKT')), weights, device='cpu')
