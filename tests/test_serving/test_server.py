"""The server over real connections on the loopback interface."""

import base64
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from genvlkt_mmdet.apis import HOIInferencer
from genvlkt_mmdet.assets import asset_path
from genvlkt_mmdet.serving import ServerLimits, import_server, serve_model

pytestmark = pytest.mark.serve
for module in ('fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(module, reason='the server needs the extra `serve`')

ROOT = Path(__file__).resolve().parents[2]
FILE = asset_path('example.jpg')
IMAGE = FILE.read_bytes()
JSON = 'application/json'


class Client:
    """A running server, and requests to it."""

    def __init__(self, inferencer, token=None, **limits):
        self.server = import_server().Server(inferencer, port=0, limits=ServerLimits(**limits), token=token)
        self.application = self.server.application
        self.thread = self.server.run_in_thread()
        self.place = self.server.address.removeprefix('http://')

    def ask(self, method, path, body=None, kind=JSON, **headers):
        connection = http.client.HTTPConnection(self.place, timeout=30)
        try:
            connection.request(method, path, body, {'Content-Type': kind, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def detect(self, **fields):
        """Status and decoded answer of a request in JSON."""
        fields = dict(image=base64.b64encode(IMAGE).decode()) | fields
        status, body, _ = self.ask('POST', '/detect', json.dumps(fields).encode())
        return status, json.loads(body)

    def metric(self, name):
        values = re.findall(rf'^{re.escape(name)} (\S+)$', self.ask('GET', '/metrics')[1].decode(), re.MULTILINE)
        return float(values[0]) if values else 0.0

    def stop(self):
        self.server.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture(scope='module')
def inferencer():
    return HOIInferencer(device='cpu', show_progress=False)


@pytest.fixture(scope='module')
def client(inferencer):
    running = Client(inferencer, megabytes=1, pixels=100_000, phrases=5)
    yield running
    running.stop()


@pytest.fixture
def start(inferencer):
    """Starts servers with limits of their own."""
    running = []

    def start(own=inferencer, **options):
        running.append(Client(own, **options))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def hold(monkeypatch):
    """Makes the model of a client wait until the event is set."""
    go = threading.Event()

    def hold(client):
        model = client.application.model
        predict = model.predict
        monkeypatch.setattr(model, 'predict', lambda *args: (go.wait(20), predict(*args))[1])
        return go

    yield hold
    go.set()


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_close(found, expected):
    """Equal triplets. Batches of other sizes round differently."""
    assert [(h['phrase'], h['query']) for h in found] == [(h['phrase'], h['query']) for h in expected]
    for one, other in zip(found, expected, strict=True):
        assert one['score'] == pytest.approx(other['score'], abs=1e-4)
        assert one['human_box'] == pytest.approx(other['human_box'], abs=1e-2)


def test_the_answer_is_that_of_the_inferencer(client, inferencer):
    (expected,) = inferencer(str(FILE), pred_score_thr=0.5, top_k=7)['predictions']
    status, answer = client.detect(pred_score_thr=0.5, top_k=7)
    assert status == 200 and answer == dict(expected.to_dict(), image=None) and len(answer['hois']) == 7
    status, body, headers = client.ask('POST', '/detect?pred_score_thr=0.5&top_k=7', IMAGE, 'image/jpeg')
    assert status == 200 and json.loads(body) == answer and headers['content-type'] == JSON
    (default,) = inferencer(str(FILE))['predictions']
    assert client.detect()[1]['hois'] == list(default)


def test_the_schema_has_the_fields_and_the_answer_follows_it(client):
    schema = json.loads(client.ask('GET', '/openapi.json')[1])
    operation = schema['paths']['/detect']['post']
    request = operation['requestBody']['content'][JSON]['schema']
    assert set(request['properties']) == {'image', 'vocabulary', 'pred_score_thr', 'top_k'} and request['required'] == [
        'image'
    ]
    assert request['additionalProperties'] is False
    assert {p['name'] for p in operation['parameters']} == {'vocabulary', 'pred_score_thr', 'top_k'}
    answer = operation['responses']['200']['content'][JSON]['schema']
    jsonschema.validate(client.detect()[1], dict(answer, components=schema['components']))
    triplet = schema['components']['schemas']['Interaction']
    assert set(client.detect()[1]['hois'][0]) == set(triplet['properties'])
    assert client.ask('GET', '/docs')[0] == 404  # it would load scripts from another server


def test_each_request_has_its_own_vocabulary(client, inferencer):
    own = client.detect(pred_score_thr=0)[1]
    new = client.detect(pred_score_thr=0, vocabulary=['a person juggling an umbrella', 'pull, dog'])[1]
    assert {h['phrase'] for h in new['hois']} == {'person juggling an umbrella', 'person pulling a dog'}
    assert client.detect(pred_score_thr=0)[1] == own
    status, body, _ = client.ask('POST', '/detect?vocabulary=pull,+dog&pred_score_thr=0', IMAGE, 'image/jpeg')
    assert {h['phrase'] for h in json.loads(body)['hois']} == {'person pulling a dog'}
    assert client.detect(vocabulary=['ride, horse'] * 6) == (422, dict(error='There are 6 phrases: write at most 5.'))
    # the vocabulary of the start is the one of requests without phrases
    inferencer.model.set_vocabulary(['a person washing a horse'])
    other = Client(inferencer)
    try:
        assert {h['phrase'] for h in other.detect(pred_score_thr=0)[1]['hois']} == {'person washing a horse'}
    finally:
        other.stop()
        inferencer.model.reset_vocabulary()


def test_requests_at_the_same_time_share_batches_and_get_their_own_answers(start, hold):
    client = start(batch=8)
    flipped = base64.b64encode(cv2.imencode('.png', cv2.imread(str(FILE))[:, ::-1])[1].tobytes()).decode()
    small = base64.b64encode(cv2.imencode('.png', cv2.imread(str(FILE))[:64])[1].tobytes()).decode()
    kinds = [
        dict(),
        dict(image=flipped),
        dict(top_k=2),
        dict(image=small),  # another size: a batch of its own
        dict(vocabulary=['pull, dog', 'ride, horse'], pred_score_thr=0),
    ]
    alone = [client.detect(**fields)[1] for fields in kinds]
    assert len({json.dumps(answer) for answer in alone}) == len(kinds)
    before = client.metric('genvlkt_batch_images_count')
    go = hold(client)
    with ThreadPoolExecutor(21) as pool:
        first = pool.submit(client.detect)
        wait_until(lambda: client.metric('genvlkt_batch_images_count') == before + 1)
        found = [(i, pool.submit(client.detect, **fields)) for _ in range(4) for i, fields in enumerate(kinds)]
        wait_until(
            lambda: client.metric('genvlkt_requests_running') == 21 and len(client.application._batcher._waiting) >= 15
        )
        go.set()
        for i, job in found:
            status, answer = job.result()
            assert status == 200
            assert_close(answer['hois'], alone[i]['hois'])
        assert_close(first.result()[1]['hois'], alone[0]['hois'])
    # 12 with the own vocabulary and size, 4 of another size, 4 with another vocabulary
    assert client.metric('genvlkt_batch_images_count') - before - 1 <= 6
    assert client.metric('genvlkt_batch_images_sum') - before - 1 == 20


def test_a_full_queue_answers_429_and_loses_nothing(start, hold):
    client = start(waiting=3)
    go = hold(client)
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(client.detect) for _ in range(3)]
        wait_until(lambda: client.metric('genvlkt_requests_running') == 3)
        status, body, headers = client.ask('POST', '/detect', IMAGE, 'image/jpeg')
        assert status == 429 and headers['retry-after'] == '1' and 'try again' in json.loads(body)['error']
        assert client.ask('GET', '/health/ready')[0] == 200
        go.set()
        assert [job.result()[0] for job in jobs] == [200] * 3
    assert client.detect()[0] == 200 and client.metric('genvlkt_requests_running') == 0
    assert client.metric('genvlkt_requests_total{code="429"}') == 1


def test_a_deadline_for_the_model_and_for_the_body(start, hold):
    client = start(seconds=0.4)
    go = hold(client)
    assert client.detect() == (504, dict(error='There was no answer within 0.4 seconds: try again later.'))
    with socket.create_connection(client.place.split(':')) as connection:
        connection.settimeout(20)
        connection.sendall(
            b'POST /detect HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\nabc'
        )
        assert b' 408 ' in connection.recv(4096).splitlines()[0]
    with socket.create_connection(client.place.split(':')) as connection:
        connection.sendall(
            b'POST /detect HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\nabc'
        )
    wait_until(lambda: client.metric('genvlkt_requests_total{code="400"}') == 1)  # it broke off
    go.set()
    wait_until(lambda: client.detect()[0] == 200)  # the model is free again


def test_stopping_answers_what_runs_and_refuses_the_rest(start, hold):
    client = start()
    go = hold(client)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(client.detect) for _ in range(4)]
        wait_until(lambda: client.metric('genvlkt_requests_running') == 4)
        client.server.stop()
        status, body, headers = client.ask('POST', '/detect', IMAGE, 'image/jpeg')
        assert status == 503 and headers['connection'] == 'close' and headers['retry-after'] == '5'
        assert client.ask('GET', '/health/ready')[0] == 503 and client.ask('GET', '/health/live')[0] == 200
        time.sleep(1.2)
        with pytest.raises(ConnectionRefusedError):
            client.detect()
        go.set()
        assert [job.result()[0] for job in jobs] == [200] * 4
    client.thread.join(20)
    assert not client.thread.is_alive()


def test_token(start):
    client = start(token='secret')
    for headers in (dict(), dict(Authorization='Bearer wrong'), dict(Authorization='secret')):
        for method, path in (('POST', '/detect'), ('GET', '/metrics'), ('GET', '/openapi.json')):
            status, body, answered = client.ask(method, path, **headers)
            assert (status, answered['www-authenticate']) == (401, 'Bearer') and 'token' in json.loads(body)['error']
    assert client.ask('GET', '/health/live')[0] == client.ask('GET', '/health/ready')[0] == 200
    assert client.ask('POST', '/detect', IMAGE, 'image/jpeg', Authorization='Bearer secret')[0] == 200
    assert client.ask('GET', '/metrics', Authorization='Bearer secret')[0] == 200
    for wrong in ('', ' a', 'a\nb', 'ä'):
        with pytest.raises(ValueError, match='token must be printable ASCII'):
            serve_model(client.application.model.inferencer, port=0, token=wrong)


def test_limits_of_bytes_and_pixels(client):
    large = cv2.imencode('.png', np.zeros((400, 300, 3), np.uint8))[1].tobytes()
    status, body, _ = client.ask('POST', '/detect', large, 'image/png')
    assert status == 413 and '300 x 400 pixels, more than the 100,000 allowed' in json.loads(body)['error']
    for chunked in (False, True):
        body = iter([bytes(600_000), bytes(600_000)]) if chunked else bytes(1_200_000)
        status, body, _ = client.ask('POST', '/detect', body, 'image/png')
        assert (status, json.loads(body)['error']) == (
            413,
            'The image has more than the 1 MB allowed: make it smaller.',
        )
    status, answer = client.detect(image=base64.b64encode(bytes(1_050_000)).decode())
    assert status == 413 and '1 MB' in answer['error']


def test_wrong_requests_get_4xx_and_a_sentence(start, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools' / 'benchmark'))
    import malformed_requests

    client = start(token='secret', megabytes=1)
    found = malformed_requests.send_all(client.server.address, 120, 1, 'secret')
    assert found['not_refused'] == [] and sum(found['statuses'].values()) == 120
    assert {400, 401, 413, 415, 422} <= set(found['statuses'])
    assert malformed_requests.send_garbage(client.server.address).startswith(b'HTTP/1.1 400 Bad Request')
    assert client.ask('POST', '/detect', IMAGE, 'image/jpeg', Authorization='Bearer secret')[0] == 200
    for method, path, status in (('GET', '/detect', 405), ('POST', '/nothing', 404)):
        found, body, _ = client.ask(method, path, Authorization='Bearer secret')
        assert found == status and json.loads(body)['error'].endswith('.')


def test_an_error_of_the_model_does_not_stop_the_server(start, monkeypatch):
    client = start()

    def fail(*args):
        raise RuntimeError('secret of the machine')

    with monkeypatch.context() as patch:
        patch.setattr(client.application.model, 'predict', fail)
        status, answer = client.detect()
        assert status == 500 and 'secret' not in answer['error'] and answer['error'].endswith('.')
    assert client.detect()[0] == 200


def test_without_clip_new_phrases_get_a_message_without_paths(start, monkeypatch):
    client = start()
    monkeypatch.setattr(
        'genvlkt_mmdet.models.vlkt.clip_source.CLIPSource.load_model',
        lambda self: (_ for _ in ()).throw(FileNotFoundError('/home/me/clip.pt does not exist')),
    )
    status, answer = client.detect(vocabulary=['a person greasing a lamp'])
    assert status == 422 and 'no CLIP model' in answer['error'] and '/home' not in answer['error']
    assert client.detect(vocabulary=['pull, dog'])[0] == 200


def test_the_command_ends_with_0_after_sigterm(tmp_path):
    (tmp_path / 'token').write_text('secret\n')
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from genvlkt_start import start; start('serve')"
    command = [
        sys.executable,
        '-c',
        code,
        str(ROOT),
        '--port',
        '0',
        '--token-file',
        str(tmp_path / 'token'),
        '--threads',
        '1',
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith('Serving at'):
                break
        place = re.search(r'http://(\S+) ', lines[-1])[1]
        connection = http.client.HTTPConnection(place, timeout=30)
        headers = {'Content-Type': 'image/jpeg', 'Authorization': 'Bearer secret'}
        connection.request('POST', '/detect', IMAGE, headers)
        process.send_signal(signal.SIGTERM)
        answer = connection.getresponse()
        assert answer.status in (200, 503) and json.loads(answer.read())
        assert process.wait(30) == 0, process.stderr.read()
        assert 'Traceback' not in process.stderr.read()


def test_a_port_that_is_taken(client, inferencer):
    port = int(client.place.partition(':')[2])
    with pytest.raises(OSError, match=f'cannot listen on 127.0.0.1, port {port}: choose another'):
        serve_model(inferencer, port=port)
