import json

import pytest

from genvlkt_mmdet.datasets.formats.box_files import read_coco_pairs, read_cvat
from genvlkt_mmdet.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary(
    dict(
        objects=['person', dict(id=7, name='cup'), 'knife'],
        verbs=['hold', dict(id=9, name='cut_with'), 'stand'],
        hois=[
            dict(verb='hold', object='cup'),
            dict(verb='hold', object='knife'),
            dict(verb='cut_with', object='knife'),
            dict(verb='stand'),
        ],
    )
)
PERSON, CUP, KNIFE = [10, 20, 81.25, 70], [100, 0, 200, 12.5], [5, 6, 7, 8]
RECORD = dict(
    file_name='day 1/a.jpg',
    width=200,
    height=100,
    annotations=[
        dict(bbox=CUP, category_id=7),
        dict(bbox=PERSON, category_id=1),
        dict(bbox=KNIFE, category_id=3),
    ],
    hoi_annotation=[
        dict(subject_id=1, object_id=0, category_id=1),
        dict(subject_id=1, object_id=-1, category_id=3),
        dict(subject_id=1, object_id=2, category_id=1),
        dict(subject_id=1, object_id=2, category_id=9),
    ],
)
EMPTY = dict(file_name='b.jpg', width=20, height=10, annotations=[], hoi_annotation=[])


def cvat_box(label: str, box: list[float], verbs: str = '', group: str = '1', more: str = '') -> str:
    corners = ' '.join(f'{key}="{value}"' for key, value in zip(('xtl', 'ytl', 'xbr', 'ybr'), box, strict=True))
    attribute = f'<attribute name="verbs">{verbs}</attribute><attribute name="colour">red</attribute>'
    return f'<box label="{label}" source="manual" occluded="0" {corners} group_id="{group}" {more}>{attribute}</box>'


def cvat(*boxes: str, before: str = '') -> str:
    images = f'<image id="0" name="day 1/a.jpg" width="200" height="100">{"".join(boxes)}</image>'
    images += '<image id="1" name="b.jpg" width="20" height="10"></image>'
    return f'<?xml version="1.0"?>{before}<annotations><version>1.1</version><meta/>{images}</annotations>'


BOXES = (
    cvat_box('cup', CUP, 'hold'),
    cvat_box('person', PERSON, 'stand'),
    cvat_box('knife', KNIFE, 'hold, cut_with'),
)


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str):
        (tmp_path / name).write_text(content)
        return tmp_path / name

    return write


def test_cvat_with_groups(write):
    assert read_cvat(write('a.xml', cvat(*BOXES)), VOCABULARY) == [RECORD, EMPTY]


def test_cvat_with_pairs(write):
    pairs = 'image,human,verb,object\n' + ''.join(
        f'day 1/a.jpg,2,{verb},{obj}\n' for verb, obj in (('hold', 1), ('stand', ''), ('hold', 3), ('cut_with', 3))
    )
    boxes = [cvat_box(label, box, '', '') for label, box in (('cup', CUP), ('person', PERSON), ('knife', KNIFE))]
    assert read_cvat(write('a.xml', cvat(*boxes)), VOCABULARY, write('p.csv', pairs)) == [RECORD, EMPTY]


@pytest.mark.parametrize(
    'message, content',
    [
        ('box 1 .cup. has verbs, but its group has 2 persons', cvat(*BOXES, cvat_box('person', PERSON))),
        ('box 1 .cup. has verbs, but its group has 0 persons', cvat(cvat_box('cup', CUP, 'hold', ''), BOXES[1])),
        ('rotated', cvat(cvat_box('cup', CUP, more='rotation="12.5"'))),
        ("'dog' is no object class", cvat(cvat_box('dog', CUP))),
        ("'eat' is no verb", cvat(cvat_box('person', CUP, 'eat'))),
        ('instead of a number', cvat(cvat_box('cup', [0, 0, 'nan', 1]))),
        ('no valid XML', cvat('<box')),
        # a bomb of entities, and a file of this machine
        ('no valid XML', cvat(before='<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]>')),
        ('no valid XML', cvat(before='<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>')),
        ('has no images', '<annotations></annotations>'),
        ("'b.jpg' twice", cvat().replace('day 1/a.jpg', 'b.jpg')),
    ],
)
def test_wrong_cvat(write, message, content):
    with pytest.raises(ValueError, match=f"a.xml'.*{message}"):
        read_cvat(write('a.xml', content), VOCABULARY)


def coco() -> dict:
    boxes = [(31, 2, CUP), (32, 1, PERSON), (33, 3, KNIFE)]
    return dict(
        images=[
            dict(id=5, file_name='day 1/a.jpg', width=200, height=100),
            dict(id=6, file_name='b.jpg', width=20, height=10),
        ],
        annotations=[
            dict(id=i, image_id=5, category_id=c, bbox=[b[0], b[1], b[2] - b[0], b[3] - b[1]]) for i, c, b in boxes
        ],
        categories=[dict(id=i, name=name) for i, name in enumerate(('person', 'cup', 'knife'), 1)],
    )


PAIRS = """human,image,verb,object,remark
32,day 1/a.jpg,hold,31,
32,day 1/a.jpg, stand ,,"a, b"
32,day 1/a.jpg,hold,33,
32,day 1/a.jpg,cut_with,33,
32,day 1/a.jpg,cut_with,33,again
"""


def test_coco_with_pairs(write):
    files = write('a.json', json.dumps(coco())), VOCABULARY, write('p.csv', PAIRS)
    assert read_coco_pairs(*files) == [RECORD, EMPTY]


@pytest.mark.parametrize(
    'message, pairs',
    [
        ("has no column 'verb'", PAIRS.replace('verb', 'action')),
        ('line 2 has no image, human or verb', PAIRS.replace('32,day 1/a.jpg,hold,31', ',day 1/a.jpg,hold,31')),
        ('line 2 has no image, human or verb', 'image,human,verb,object\na.jpg\n'),
        ("'c.jpg' has an interaction, but no boxes", PAIRS.replace('day 1/a.jpg', 'c.jpg')),
        ("has no box '34'", PAIRS.replace('hold,31', 'hold,34')),
        ("has box '31' as human", PAIRS.replace('32,day 1/a.jpg,hold,31', '31,day 1/a.jpg,hold,32')),
        ("'eat' is no verb", PAIRS.replace('hold,31', 'eat,31')),
        ('line 1: unexpected end', 'image,human,verb,object\n"a'),
    ],
)
def test_wrong_pairs(write, message, pairs):
    with pytest.raises(ValueError, match=f"p.csv'.*{message}"):
        read_coco_pairs(write('a.json', json.dumps(coco())), VOCABULARY, write('p.csv', pairs))


@pytest.mark.parametrize(
    'message, change',
    [
        ('an image or a category', lambda c: c['annotations'][0].update(image_id=9)),
        ('field .categories. is missing', lambda c: c.pop('categories')),
        ('instead of a number', lambda c: c['annotations'][0].update(bbox=[0, 0, None, 1])),
        ("'dog' is no object class", lambda c: c['categories'][1].update(name='dog')),
    ],
)
def test_wrong_coco(write, message, change):
    content = coco()
    change(content)
    with pytest.raises(ValueError, match=f"a.json'.*{message}"):
        read_coco_pairs(write('a.json', json.dumps(content)), VOCABULARY, write('p.csv', PAIRS))
