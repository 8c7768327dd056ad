"""The page in headless Chromium: what a visitor does, sees and gets."""

import base64
import json
import shutil

import cv2
import numpy as np
import pytest

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.web import Limits, build_page, serve_page
from genvlkt_mmdet.web.service import HOIService

pytestmark = pytest.mark.web
pytest.importorskip('gradio', reason='the page needs Gradio: the extra `web`')

WAIT = 60_000  # milliseconds; a busy machine is slow
DESKTOP, PHONE = dict(width=1280, height=900), dict(width=390, height=844)


@pytest.fixture(scope='module')
def inferencer(web_weights):
    return HOIInferencer('gen_vlkt_tiny_minihoi', web_weights, device='cpu', show_progress=False)


@pytest.fixture(scope='module')
def address(inferencer):
    page = serve_page(inferencer, limits=Limits(megabytes=1, pixels=100_000), wait=False)
    yield page.local_url
    page.close()


@pytest.fixture(scope='module')
def browser():
    playwright = pytest.importorskip('playwright.sync_api', reason='the browser tests need `pip install playwright`')
    chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if chromium is None:
        pytest.skip('the browser tests need Chromium: `apt install chromium`')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address):
    """Opens the page in a window of its own, and checks at the end that it has asked no other machine for anything."""
    contexts, requests = [], []

    def open_page(size=DESKTOP):
        contexts.append(browser.new_context(viewport=size))
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT)
        page.on('request', lambda request: requests.append(request.url))
        page.goto(address)
        page.get_by_role('button', name='Detect').wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert requests and not [url for url in requests if not url.startswith((address, 'data:', 'blob:'))]


def status(page, text):
    """Waits until the result field has a text."""
    page.wait_for_function(
        "text => document.querySelector('#status textarea, #status input').value.includes(text)", arg=text
    )


def table(page, name='table'):
    """Cells of a table, row by row."""
    rows = page.locator(f'#{name} [role=row].virtual-row').all()
    return [[cell.inner_text().strip() for cell in row.locator('[role=gridcell]').all()] for row in rows]


def take_example(page):
    page.get_by_role('button', name='Take the example image').click()
    status(page, 'example.jpg, 128 x 128 pixels')


def write(page, phrases):
    page.get_by_label('Interactions to look for').fill(phrases)
    page.get_by_role('button', name='Detect').click()


def fits(page):
    """Whether nothing of the page is wider than the window."""
    return page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')


def test_example_shows_interactions_table_and_downloads(visit, inferencer, tmp_path):
    page = visit()
    take_example(page)
    page.locator('#drawing img').wait_for()
    (expected,) = inferencer(str(asset_path('example.jpg')), top_k=20)['predictions']
    assert len(expected) >= 2  # the shipped model sees what the example shows
    found = table(page)
    assert [row[1] for row in found] == [hoi['phrase'] for hoi in expected]
    assert [float(row[2]) for row in found] == [pytest.approx(hoi['score'], abs=6e-3) for hoi in expected]
    assert [float(row[3]) for row in found] == [pytest.approx(hoi['confidence'], abs=6e-3) for hoi in expected]
    for name in ('interactions.json', 'interactions.csv'):
        with page.expect_download() as download:
            page.get_by_role('link', name=name).click()
        download.value.save_as(tmp_path / name)
    saved = json.loads((tmp_path / 'interactions.json').read_text())
    assert saved['image'] == 'example.jpg' and saved['hois'] == list(expected)
    lines = (tmp_path / 'interactions.csv').read_text().splitlines()
    assert len(lines) == 1 + len(expected) and lines[0].startswith('image,')


def test_upload_on_a_phone(visit, tmp_path):
    page = visit(PHONE)
    assert fits(page)
    example = cv2.imread(str(asset_path('example.jpg')))
    cv2.imwrite(str(tmp_path / 'mine.png'), example[:, ::-1])
    page.locator('#file input').set_input_files(tmp_path / 'mine.png')
    status(page, 'in mine.png, 128 x 128 pixels')
    page.locator('#drawing img').wait_for()
    assert table(page) and fits(page)
    box = page.locator('#drawing img').bounding_box()
    assert box['x'] >= 0 and box['x'] + box['width'] <= PHONE['width'] and box['width'] > 250


def test_vocabulary_changes_the_result_of_one_visitor_alone(visit):
    first, second = visit(), visit()
    take_example(first)
    before = table(first)
    write(first, 'pull, dog\na person washing a horse')
    first.locator('#readings').wait_for()
    assert [row[1] for row in table(first)] == ['person pulling a dog'] != [row[1] for row in before]
    assert table(first, 'readings') == [
        ['pull, dog', 'pull', 'dog', 'known'],
        ['a person washing a horse', 'wash', 'horse', 'known'],
    ]
    take_example(second)
    assert table(second) == before
    write(first, 'a person standing')
    status(first, 'names no object')
    assert not table(first)


def test_video_shows_the_annotated_video_and_the_timeline(visit, tmp_path):
    pytest.importorskip('av', reason='videos need the extra `video`')
    pytest.importorskip('trackers', reason='videos need the extra `video`')
    from genvlkt_mmdet.minihoi.videos import render_minihoi_video

    render_minihoi_video(tmp_path / 'street.mp4', seed=1, num_frames=30)
    page = visit(PHONE)
    page.locator('#file input').set_input_files(tmp_path / 'street.mp4')
    status(page, 'interactions in street.mp4, 3.0 seconds, 30 frames looked at')
    page.locator('#video video').wait_for()
    page.wait_for_function("document.querySelector('#video video').duration > 2.9")  # the browser can play it
    assert not page.locator('#drawing img').count() and fits(page)
    with page.expect_download() as download:
        page.get_by_role('link', name='timeline.json').click()
    download.value.save_as(tmp_path / 'timeline.json')
    saved = json.loads((tmp_path / 'timeline.json').read_text())
    assert saved['video'] == 'street.mp4' and saved['frames'] == 30
    rows = [
        [f'{i["from_seconds"]:.1f} to {i["to_seconds"]:.1f}', str(i['human']), i['phrase']] for i in saved['intervals']
    ]
    assert [row[:3] for row in table(page, 'timeline')] == rows and rows


def test_wrong_files_give_a_message(visit, tmp_path):
    page = visit()
    (tmp_path / 'broken.jpg').write_text('this is no image')
    page.locator('#file input').set_input_files(tmp_path / 'broken.jpg')
    status(page, "'broken.jpg' is no image that can be decoded")
    assert 'Traceback' not in page.content() and str(tmp_path) not in page.content()

    page = visit()
    cv2.imwrite(str(tmp_path / 'large.png'), np.zeros((400, 400, 3), np.uint8))
    page.locator('#file input').set_input_files(tmp_path / 'large.png')
    status(page, '400 x 400 pixels, more than the 100,000 allowed')

    page = visit()
    (tmp_path / 'huge.png').write_bytes(bytes(2_000_000))
    page.locator('#file input').set_input_files(tmp_path / 'huge.png')
    page.get_by_text('exceed the maximum allowed size').first.wait_for()

    page = visit(PHONE)
    (tmp_path / 'notes.txt').write_text('hello')
    page.locator('#file input').set_input_files(tmp_path / 'notes.txt')
    page.get_by_text('Invalid file type: notes.txt').first.wait_for()

    page.get_by_role('button', name='Detect').click()
    status(page, 'Choose a file first.')


def test_attention_of_a_pair_by_its_line_and_by_its_place(visit, inferencer):
    page = visit()
    take_example(page)
    page.locator('#table [role=gridcell]').nth(1).click()
    shown = page.locator('#attention img')
    shown.nth(1).wait_for()
    by_line = [_pixels(page, image) for image in shown.all()]
    assert [side.shape[1] > 480 for side in by_line] == [True, True]  # the two decoders
    assert np.abs(by_line[0].astype(int) - by_line[1][:, : by_line[0].shape[1]]).mean() > 2
    take_example(page)
    shown.first.wait_for(state='detached')
    # The centre of the best object is in one of its pair's boxes.
    (hois,) = inferencer(str(asset_path('example.jpg')), top_k=20)['predictions']
    x1, y1, x2, y2 = hois[0]['object_box']
    drawing = page.locator('#drawing img')
    pixels, box = _pixels(page, drawing), drawing.bounding_box()
    scale = 480 / 128 * min(box['width'] / pixels.shape[1], box['height'] / pixels.shape[0])  # centred in its box
    left = (box['width'] - scale * 128) / 2
    drawing.click(position=dict(x=left + scale * (x1 + x2) / 2, y=scale * (y1 + y2) / 2))
    shown.nth(1).wait_for()
    by_place = [_pixels(page, image) for image in shown.all()]
    assert all(np.abs(one.astype(int) - other).mean() < 1 for one, other in zip(by_place, by_line, strict=True))


def _pixels(page, image):
    """The pixels that an image element shows."""
    address = image.get_attribute('src')
    content = page.evaluate(
        """async address => {
            const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
            return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));
        }""",
        address,
    )
    return cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)


def test_it_listens_on_this_machine_only_and_keeps_to_itself(address, inferencer):
    assert address.startswith('http://127.0.0.1:')
    page = build_page(HOIService(inferencer))
    assert page.analytics_enabled is False
    assert not [dependency for dependency in page.fns.values() if dependency.api_visibility == 'public']
    port = int(address.rstrip('/').rpartition(':')[2])
    with pytest.raises(OSError, match=f'cannot listen on 127.0.0.1, port {port}: choose another'):
        serve_page(inferencer, port=port, wait=False)
