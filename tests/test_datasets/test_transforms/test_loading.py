import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from PIL import Image

from genvlkt_mmdet.datasets.transforms import LoadHOIAnnotations, LoadHOIImage


@pytest.fixture(params=['cv2', 'pillow'])
def loader(request):
    return LoadHOIImage(imdecode_backend=request.param)


def test_image_is_bgr_and_ignores_exif_orientation(tmp_path, loader):
    image = Image.fromarray(np.full((4, 6, 3), (255, 10, 0), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees; the annotations are of the picture as stored
    image.save(tmp_path / 'a.png', exif=exif)
    results = loader(dict(img_path=str(tmp_path / 'a.png')))
    assert results['img'].shape == (4, 6, 3) and results['ori_shape'] == (4, 6)
    assert results['img'][0, 0].tolist() == [0, 10, 255]


def test_missing_image(tmp_path, loader):
    with pytest.raises(
        FileNotFoundError, match=r"Image '.*none\.jpg' is missing: check `data_root`.*genvlkt data check"
    ):
        loader(dict(img_path=str(tmp_path / 'none.jpg')))
    with pytest.raises(FileNotFoundError, match=r"Image folder '.*train2015' is missing"):
        loader(dict(img_path=str(tmp_path / 'train2015' / 'none.jpg')))


@pytest.mark.parametrize('content', [b'', b'no image at all', b'\xff\xd8\xff\xe0\x00\x10JFIF'])
def test_broken_image(tmp_path, loader, content):
    (tmp_path / 'broken.jpg').write_bytes(content)
    with pytest.raises(ValueError, match=r"Image '.*broken\.jpg' does not decode") as error:
        loader(dict(img_path=str(tmp_path / 'broken.jpg')))
    assert '\n' not in str(error.value)


def test_image_with_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / 'large.png')
    assert LoadHOIImage(max_pixels=2400)(dict(img_path=str(tmp_path / 'large.png')))['img'].shape == (40, 60, 3)
    monkeypatch.setattr('mmcv.imfrombytes', None)
    with pytest.raises(ValueError, match=r"Image '.*large\.png' has 60 x 40 pixels, more than the 2,399 allowed"):
        LoadHOIImage(max_pixels=2399)(dict(img_path=str(tmp_path / 'large.png')))


def test_broken_image_can_be_skipped(tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'')
    assert LoadHOIImage(ignore_empty=True)(dict(img_path=str(tmp_path / 'broken.jpg'))) is None


def test_annotations_are_clipped_to_the_image_and_keep_their_ids():
    pairs = dict(human_ids=np.array([0, 1]), object_ids=np.array([2, 2]))
    boxes = [[-3, 2, 5, 30], [12, 1, 20, 5], [1, 1, 4, 4]]
    results = dict(
        img_shape=(20, 10),
        instances=[dict(bbox=b, bbox_label=i + 7, ignore_flag=0) for i, b in enumerate(boxes)],
        pairs=pairs,
    )
    results = LoadHOIAnnotations()(results)
    assert results['gt_bboxes'].tensor.tolist() == [[0, 2, 5, 20], [1, 1, 4, 4]]
    assert results['gt_bboxes'].ids[:, 1].tolist() == [0, 2]
    kept = results['gt_bboxes'].find_pairs()
    assert (kept['human_ids'].tolist(), kept['object_ids'].tolist()) == ([0], [1])
    assert results['gt_bboxes_labels'].tolist() == [7, 9]
    empty = TRANSFORMS.build(dict(type='LoadHOIAnnotations'))(dict(img_shape=(20, 10), instances=[], pairs=pairs))
    assert empty['gt_bboxes'].tensor.shape == (0, 4)


@pytest.mark.parametrize('mode', ['RGB', 'L'])
@pytest.mark.parametrize('progressive', [False, True])
@pytest.mark.parametrize('subsampling', ['4:4:4', '4:2:2', '4:2:0'])
def test_opencv_decodes_the_pixels_of_pillow(tmp_path, mode, progressive, subsampling):
    """The pipelines of HICO-DET train with OpenCV's decoder, because it is faster, and test with Pillow's, the authors'."""
    rng = np.random.default_rng(0)
    for quality, size in ((40, (97, 65)), (75, (64, 48)), (95, (33, 70))):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        pixels = np.asarray(small.resize(size, Image.Resampling.BICUBIC)) + rng.normal(0, 12, (*size[::-1], 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode)
        image.save(file := tmp_path / 'image.jpg', quality=quality, progressive=progressive, subsampling=subsampling)
        opencv, pillow = (
            LoadHOIImage(imdecode_backend=backend)(dict(img_path=str(file)))['img'] for backend in ('cv2', 'pillow')
        )
        assert (opencv == pillow).all()
