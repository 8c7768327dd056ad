import copy
import json
from xml.etree import ElementTree

import numpy as np
import pytest

from genvlkt_mmdet.apis import HOIResult
from genvlkt_mmdet.datasets.formats.label_studio import label_studio_config, label_studio_tasks, read_label_studio
from genvlkt_mmdet.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary(
    dict(
        name='kitchen',
        objects=['person', dict(id=7, name='cup'), 'knife & fork'],
        verbs=['hold', dict(id=9, name='cut_with'), 'stand', 'watch'],
        hois=[
            dict(verb='hold', object='cup'),
            dict(verb='hold', object='knife & fork'),
            dict(verb='cut_with', object='knife & fork'),
            dict(verb='watch', object='person'),
            dict(verb='watch'),
            dict(verb='stand'),
        ],
    )
)


def box(region: str, label: str, x: float, y: float, width: float, height: float, **value) -> dict:
    """A box as Label Studio exports it, of an image of 200 x 100 pixels."""
    size = dict(original_width=200, original_height=100, image_rotation=0)
    value = dict(x=x, y=y, width=width, height=height, rotation=0, rectanglelabels=[label]) | value
    names = dict(from_name='boxes', to_name='image', type='rectanglelabels', origin='manual')
    return dict(size, id=region, **names, value=value)


def relation(start: str, end: str, *labels: str, direction: str = 'right') -> dict:
    return dict(from_id=start, to_id=end, type='relation', direction=direction, labels=list(labels))


def task(number: int, *results: dict, image: str = '', **annotation) -> dict:
    annotation = dict(id=100 + number, was_cancelled=False, ground_truth=False, result=list(results)) | annotation
    image = image or f'/data/upload/1/0a1b2c3d-{number}.jpg'
    return dict(id=number, annotations=[annotation], predictions=[], drafts=[], data=dict(image=image))


@pytest.fixture
def read(tmp_path):
    def read(*tasks: dict, folder=None) -> list[dict]:
        (tmp_path / 'export.json').write_text(json.dumps(tasks))
        return read_label_studio(tmp_path / 'export.json', VOCABULARY, folder)[0]

    return read


def test_boxes_relations_and_actions(read):
    stand = box('p', 'person', 10, 20, 30.5, 50, choices=['stand'])
    stand.update(type='choices', from_name='actions')
    del stand['value']['rectanglelabels']
    one = task(
        1,
        box('p', 'person', 10, 20, 30.5, 50),
        box('k', 'knife & fork', 50, 0, 50, 12.345),
        stand,
        relation('p', 'k', 'hold', 'cut_with'),
    )
    (record,) = read(one)
    assert record == dict(
        file_name='1.jpg',
        width=200,
        height=100,
        annotations=[
            dict(bbox=[20, 20, 81, 70], category_id=1),
            dict(bbox=[100, 0, 200, 12.345], category_id=3),
        ],
        hoi_annotation=[
            dict(subject_id=0, object_id=-1, category_id=3),
            dict(subject_id=0, object_id=1, category_id=1),
            dict(subject_id=0, object_id=1, category_id=9),
        ],
    )


@pytest.mark.parametrize('direction, pairs', [('right', [(0, 1)]), ('left', [(1, 0)]), ('bi', [(0, 1), (1, 0)])])
def test_direction_between_persons(read, direction, pairs):
    boxes = box('a', 'person', 0, 0, 10, 10), box('b', 'person', 20, 0, 10, 10)
    (record,) = read(task(1, relation('a', 'b', 'watch', direction=direction), *boxes))
    assert [(h['subject_id'], h['object_id']) for h in record['hoi_annotation']] == pairs


@pytest.mark.parametrize('direction', ['right', 'left', 'bi'])
@pytest.mark.parametrize('ends', [('p', 'c'), ('c', 'p')])
def test_person_is_the_human_of_a_relation_with_an_object(read, direction, ends):
    boxes = box('c', 'cup', 0, 0, 10, 10), box('p', 'person', 20, 0, 10, 10)
    (record,) = read(task(1, *boxes, relation(*ends, 'hold', direction=direction)))
    assert record['hoi_annotation'] == [dict(subject_id=1, object_id=0, category_id=1)]


def test_which_annotation_counts(read, tmp_path):
    one = task(1, box('p', 'person', 0, 0, 10, 10), created_at='2026-01-02T10:00:00Z')

    def add(width: float, **annotation) -> None:
        result = [box('p', 'person', 0, 0, width, 10)]
        one['annotations'].append(dict(one['annotations'][0], result=result, **annotation))

    def width() -> float:
        return read(one)[0]['annotations'][0]['bbox'][2]

    assert width() == 20
    add(20, id=2, created_at='2026-01-03T10:00:00Z')
    assert width() == 40
    add(30, id=3, created_at='2026-01-04T10:00:00Z', was_cancelled=True)
    assert width() == 40
    add(40, id=4, created_at='2026-01-01T10:00:00Z', ground_truth=True)
    assert width() == 80
    one['annotations'] = one['annotations'][2:3]  # only the cancelled one
    (tmp_path / 'export.json').write_text(json.dumps([one, task(2)]))
    records, number_open = read_label_studio(tmp_path / 'export.json', VOCABULARY)
    assert number_open == 1
    # an image that was looked at and has no box
    assert records == [dict(file_name='2.jpg', annotations=[], hoi_annotation=[])]


@pytest.mark.parametrize(
    'address, without_folder, in_folder',
    [
        ('/data/upload/1/0a1b2c3d-my_photo_1.jpg', 'my_photo_1.jpg', 'my photo (1).jpg'),
        ('/data/upload/1/0a1b2c3d-K%C3%A4se__Brot.jpg', 'Käse__Brot.jpg', 'Käse & Brot.jpg'),
        ('/data/upload/1/0a1b2c3d-b.jpg', 'b.jpg', '0a1b2c3d-b.jpg'),
        ('/data/local-files/?d=photos/day%201/c.jpg', 'c.jpg', 'day 1/c.jpg'),
        ('https://host/x/d%20e.jpg?size=1', 'd e.jpg', 'd e.jpg'),
        ('s3://bucket/day 1/c.jpg', 'c.jpg', 'day 1/c.jpg'),
        ('../../d e.jpg', 'd e.jpg', 'd e.jpg'),
        (r'C:\photos\d e.jpg', 'd e.jpg', 'd e.jpg'),
    ],
)
def test_names_of_images(read, tmp_path, address, without_folder, in_folder):
    for name in ('my photo (1).jpg', 'Käse & Brot.jpg', '0a1b2c3d-b.jpg', 'day 1/c.jpg', 'd e.jpg'):
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    one = task(1, image=address)
    assert read(one)[0]['file_name'] == without_folder
    assert read(one, folder=tmp_path / 'photos')[0]['file_name'] == in_folder
    with pytest.raises(ValueError, match='task 1: its image .* is not in the folder'):
        read(task(1, image='/data/upload/1/0a1b2c3d-none.jpg'), folder=tmp_path / 'photos')


PERSON, CUP = box('p', 'person', 0, 0, 10, 10), box('c', 'cup', 20, 0, 10, 10)


@pytest.mark.parametrize(
    'message, results',
    [
        ('is rotated', [box('p', 'person', 0, 0, 10, 10, rotation=5)]),
        ('is rotated', [PERSON | dict(image_rotation=90)]),
        ("the label of a box, 'dog', is none of the object classes of 'kitchen'", [box('d', 'dog', 0, 0, 1, 1)]),
        ('needs one label', [box('p', 'person', 0, 0, 1, 1, rectanglelabels=['person', 'cup'])]),
        ("the verb, 'eat', is none of the verbs", [PERSON, CUP, relation('p', 'c', 'eat')]),
        ('has no label', [PERSON, CUP, relation('p', 'c')]),
        ('does not connect two boxes', [PERSON, relation('p', 'x', 'hold')]),
        ('none is a person', [CUP, CUP | dict(id='d'), relation('c', 'd', 'hold')]),
        ("direction 'up'", [PERSON, PERSON | dict(id='q'), relation('p', 'q', 'watch', direction='up')]),
        ('width and height', [PERSON | dict(original_width=0)]),
        ('in percent', [box('p', 'person', 'a', 0, 10, 10)]),
        ('in percent', [box('p', 'person', float('nan'), 0, 10, 10)]),
        ('boxes are of images of', [PERSON, CUP | dict(original_width=300)]),
        ('does not belong to the box of a person', [CUP, dict(CUP, type='choices', from_name='actions')]),
        ('list of results', ['box']),
    ],
)  # fmt: skip
def test_annotations_that_cannot_be_converted(read, message, results):
    with pytest.raises(ValueError, match=f"export.json', task 1: .*{message}"):
        read(task(1, *copy.deepcopy(results)))


def test_other_files(read, tmp_path):
    for content in ([], {}, [1], [dict(id=1, image='a.jpg', boxes=[])], [dict(annotations=[], data=1)]):
        (tmp_path / 'export.json').write_text(json.dumps(content))
        with pytest.raises(ValueError, match='export the project of Label Studio again'):
            read_label_studio(tmp_path / 'export.json', VOCABULARY)
    with pytest.raises(ValueError, match="task 2 has the image '1.jpg', as task 1 has"):
        read(task(1), task(2, image='s3://b/1.jpg'))
    with pytest.raises(ValueError, match="task 1: its data has no 'image'"):
        read(task(1) | dict(data=dict(photo='a.jpg')))
    toy = load_vocabulary(dict(objects=['cup'], verbs=['hold'], hois=[dict(verb='hold', object='cup')]))
    with pytest.raises(ValueError, match="no object class 'person'"):
        label_studio_config(toy)


def test_configuration():
    root = ElementTree.fromstring(label_studio_config(VOCABULARY))
    assert [r.get('value') for r in root.iter('Relation')] == ['hold', 'cut_with', 'watch']
    assert [r.get('value') for r in root.iter('Label')] == ['person', 'cup', 'knife & fork']
    assert [r.get('value') for r in root.iter('Choice')] == ['stand', 'watch']
    # the names to which exports and predictions refer
    assert root.find('Image').attrib == dict(name='image', value='$image', zoom='true')
    assert [root.find(tag).get('name') for tag in ('RectangleLabels', 'Choices')] == ['boxes', 'actions']


def random_record(rng: np.random.Generator, number: int) -> dict:
    """Boxes anywhere in an image of odd size, every box in an interaction, as a person could have drawn them."""
    width, height = (int(v) for v in rng.integers(3, 9000, 2))
    count = int(rng.integers(2, 7))
    low, high = (np.sort(rng.random((2, count, 2)), axis=0)) * [width, height]
    boxes = np.concatenate([low, high], axis=1).round(6).tolist()
    labels = [1] + rng.choice([1, 7, 3], count - 1).tolist()
    hois = []
    for i in range(1, count):
        verb = {1: 4, 7: 1, 3: 9}[labels[i]]
        hois.append(dict(subject_id=0, object_id=i, category_id=verb))
    hois.append(dict(subject_id=0, object_id=-1, category_id=3))
    annotations = [dict(bbox=b, category_id=c) for b, c in zip(boxes, labels, strict=True)]
    return dict(file_name=f'{number}.jpg', width=width, height=height, annotations=annotations, hoi_annotation=hois)


def as_result(record: dict) -> HOIResult:
    """What a detector without mistakes would find."""
    names = dict(zip(VOCABULARY.object_ids, VOCABULARY.object_names, strict=True))
    verbs = dict(zip(VOCABULARY.verb_ids, VOCABULARY.verb_names, strict=True))
    triplets = []
    for i, hoi in enumerate(record['hoi_annotation']):
        human, obj = (record['annotations'][hoi[k]] if hoi[k] >= 0 else None for k in ('subject_id', 'object_id'))
        triplets.append(
            dict(
                human_box=human['bbox'],
                object_box=obj and obj['bbox'],
                object=obj and names[obj['category_id']],
                verb=verbs[hoi['category_id']],
                score=1.75,
                confidence=0.75,
                query=i,
            )
        )
    return HOIResult(triplets, image=record['file_name'], width=record['width'], height=record['height'])


def accept(tasks: list[dict]) -> list[dict]:
    """The export of a person who accepts every prediction."""
    return [
        dict(id=i, data=t['data'], annotations=[dict(id=i, result=copy.deepcopy(t['predictions'][0]['result']))])
        for i, t in enumerate(tasks)
    ]


def test_round_trip_is_exact(read):
    """annotation -> export -> dataset -> predictions -> import -> export -> dataset: every coordinate, bit for bit."""
    rng = np.random.default_rng(0)
    drawn = [random_record(rng, i) for i in range(200)]
    # as drawn in percent, with all digits
    tasks = []
    for i, record in enumerate(drawn):
        labels = dict(zip(VOCABULARY.object_ids, VOCABULARY.object_names, strict=True))
        verbs = dict(zip(VOCABULARY.verb_ids, VOCABULARY.verb_names, strict=True))
        results = []
        for k, annotation in enumerate(record['annotations']):
            x1, y1, x2, y2 = annotation['bbox']
            w, h = record['width'], record['height']
            item = box(str(k), labels[annotation['category_id']], 100 * x1 / w, 100 * y1 / h, 0, 0)
            item['value'].update(width=100 * (x2 - x1) / w, height=100 * (y2 - y1) / h)
            results.append(item | dict(original_width=w, original_height=h))
        for hoi in record['hoi_annotation']:
            human, verb = str(hoi['subject_id']), verbs[hoi['category_id']]
            if hoi['object_id'] >= 0:
                results.append(relation(human, str(hoi['object_id']), verb))
            else:
                results.append(dict(id=human, type='choices', from_name='actions', value=dict(choices=[verb])))
        tasks.append(task(i, *results))
    records = read(*tasks)
    expected = [
        dict(r, hoi_annotation=sorted(r['hoi_annotation'], key=lambda h: (h['object_id'] >= 0, h['object_id'])))
        for r in drawn
    ]
    key = lambda r: [dict(r, hoi_annotation=sorted(r['hoi_annotation'], key=str))]  # noqa: E731
    assert [key(r) for r in records] == [key(r) for r in expected]

    predictions = label_studio_tasks(
        [as_result(r).to_dict() for r in records], VOCABULARY, '/data/local-files/?d=photos/', same_box_iou=1
    )
    assert all(p['predictions'][0]['score'] == 0.75 for p in predictions)
    again = read(*accept(json.loads(json.dumps(predictions))))
    assert [key(r) for r in again] == [key(r) for r in records]


def test_predictions_share_boxes():
    """Two queries that found the same person: one box of a person, with the relations of both."""
    cup = dict(human_box=[0, 0, 50, 90], object_box=[40, 40, 60, 60], object='cup', verb='hold', query=1)
    knife = dict(cup, human_box=[1, 0, 50, 91], object_box=[0, 40, 9, 60], object='knife & fork', query=2)
    result = HOIResult(
        [dict(cup, confidence=0.9), dict(knife, confidence=0.5), dict(knife, verb='cut_with', confidence=0.1)],
        image='photos/a.jpg', width=200, height=100,
    )  # fmt: skip
    (found,) = label_studio_tasks([result.to_dict()], VOCABULARY, 'http://host/', 'run 1', min_confidence=0.4)
    (prediction,) = found['predictions']
    assert found['data'] == dict(image='http://host/a.jpg')
    assert prediction['model_version'] == 'run 1' and prediction['score'] == pytest.approx(0.7)
    boxes = [i for i in prediction['result'] if i['type'] == 'rectanglelabels']
    assert [b['value']['rectanglelabels'] for b in boxes] == [['person'], ['cup'], ['knife & fork']]
    assert boxes[1]['value'] == dict(x=20, y=40, width=10, height=20, rotation=0, rectanglelabels=['cup'])
    links = [i for i in prediction['result'] if i['type'] == 'relation']
    assert [(x['from_id'], x['to_id'], x['labels']) for x in links] == [
        (boxes[0]['id'], boxes[1]['id'], ['hold']),
        (boxes[0]['id'], boxes[2]['id'], ['hold']),
    ]


@pytest.mark.parametrize(
    'message, change',
    [
        ('Unknown verb', dict(hois=[dict(verb='eat', object='cup', confidence=1)])),
        ('is no HOI class', dict(hois=[dict(verb='hold', object='person', confidence=1)])),
        ('its size is 0 x 100', dict(width=0)),
        ('field .confidence. is missing', dict(hois=[{}])),
        ('no image file', dict(image=None)),
    ],
)
def test_results_that_cannot_be_converted(message, change):
    result = dict(image='a.jpg', width=200, height=100, hois=[])
    assert label_studio_tasks([result], VOCABULARY, '')[0]['predictions'][0]['result'] == []
    with pytest.raises(ValueError, match=message):
        label_studio_tasks([result | change], VOCABULARY, '')
