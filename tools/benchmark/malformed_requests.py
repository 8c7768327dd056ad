"""Wrong requests to a server of `genvlkt serve`, and what it answers. Their kinds take turns, and their content is random."""

import base64
import collections
import contextlib
import http.client
import io
import json
import random
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from PIL import Image

JSON = 'application/json'


class Wrong(NamedTuple):
    """A wrong request: its kind, body, content type, query and more headers."""

    kind: str
    body: bytes
    content_type: str = JSON
    query: str = ''
    headers: dict[str, str] = {}


def wrong_requests(count: int, megabytes: int, token: str | None = None, seed: int = 0) -> Iterator[Wrong]:
    """Makes wrong requests.

    Args:
        count (int): Their number.
        megabytes (int): Limit of the server. Some requests are larger.
        token (str, optional): Token of the server. With one, some requests have another one or none.
        seed (int): Seed of their content.
    """
    rng = random.Random(seed)
    kinds: list[Callable[[random.Random], Wrong]] = [
        _wrong_type, _truncated_image, _bomb, _path, _wrong_json, _vocabulary, _number, _nested, _truncated_json, _noise, _raw,
        _unknown_field, _no_image, _query, _content_type,
    ]  # fmt: skip
    good = dict(Authorization=f'Bearer {token}') if token else {}
    for i in range(count):
        if i % 100 == 50:  # they take long to send
            request = Wrong('huge', _json(image='A' * (megabytes * 1_400_000 + 200_000)))
        elif token and i % 20 == 7:
            wrong = rng.choice(
                ({}, dict(Authorization=f'Bearer {token}x'), dict(Authorization='Basic ' + 'x' * rng.randrange(99)))
            )
            yield Wrong('token', _json(image=_image(rng)), headers=wrong)
            continue
        else:
            request = kinds[i % len(kinds)](rng)
        yield request._replace(headers=good)


def send(address: str, request: Wrong, timeout: float = 60) -> tuple[int, str]:
    """Sends a request, and returns the status and the sentence of the answer. Raises ValueError if the answer is no sentence."""
    connection = http.client.HTTPConnection(address.removeprefix('http://'), timeout=timeout)
    with contextlib.closing(connection):
        headers = {'Content-Type': request.content_type, **request.headers}
        connection.request('POST', f'/detect{request.query}', request.body, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    sentence = content.get('error', '')
    if answer.status != 200 and not (set(content) == {'error'} and sentence[:1].strip() and sentence.endswith('.')):
        raise ValueError(f'{request.kind}: the answer is no sentence: {content}')
    return answer.status, sentence


def send_garbage(address: str, seed: int = 0) -> bytes:
    """Sends bytes that are no HTTP, and returns what the server answers."""
    host, _, port = address.removeprefix('http://').rpartition(':')
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(random.Random(seed).randbytes(200) + b'\r\n\r\n')
        connection.shutdown(socket.SHUT_WR)
        return b''.join(iter(lambda: connection.recv(4096), b''))


def send_all(address: str, count: int, megabytes: int, token: str | None = None, seed: int = 0) -> dict[str, Any]:
    """Sends wrong requests one after another.

    Returns:
        dict: ``statuses``: how often each status came. ``not_refused``: kinds and statuses of answers other than 4xx.
    """
    statuses: collections.Counter[int] = collections.Counter()
    not_refused = []
    for request in wrong_requests(count, megabytes, token, seed):
        status, sentence = send(address, request)
        statuses[status] += 1
        if not 400 <= status < 500:
            not_refused.append((request.kind, status, sentence))
    return dict(statuses=dict(sorted(statuses.items())), not_refused=not_refused)


def _json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def _file(rng: random.Random, kind: str = 'JPEG') -> bytes:
    """A noisy image as a file."""
    size = rng.randrange(16, 64), rng.randrange(16, 64)
    image = Image.frombytes('RGB', size, rng.randbytes(size[0] * size[1] * 3))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _image(rng: random.Random) -> str:
    return base64.b64encode(_file(rng)).decode()


def _wrong_type(rng: random.Random) -> Wrong:
    fields: dict[str, Any] = dict(image=_image(rng))
    name = rng.choice(('image', 'pred_score_thr', 'top_k', 'vocabulary'))
    fields[name] = rng.choice((True, {}, [[]], [1, 'a'], dict(a=1), 'no number' if name != 'image' else 7))
    return Wrong('type', _json(**fields))


def _truncated_image(rng: random.Random) -> Wrong:
    content = _file(rng, rng.choice(('JPEG', 'PNG', 'WEBP', 'BMP')))
    return Wrong('truncated image', content[: rng.randrange(1, len(content) * 9 // 10)], 'image/jpeg')


def _bomb(rng: random.Random) -> Wrong:
    """A PNG that says it has very many pixels, which are all zero and take little space."""
    side = rng.choice((5_000, 20_000, 60_000, 2**31 - 1))
    head = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
    content = (
        b'\x89PNG\r\n\x1a\n'
        + _chunk(b'IHDR', head)
        + _chunk(b'IDAT', zlib.compress(bytes(10**6)))
        + _chunk(b'IEND', b'')
    )
    return Wrong('bomb', content, 'image/png')


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))


def _path(rng: random.Random) -> Wrong:
    where = (
        '/etc/passwd',
        '/etc/hosts00',  # this is valid base64
        'file:///etc/passwd',
        'http://127.0.0.1:1/a.jpg',
        'rtsp://127.0.0.1/a',
        '../../secret.png',
        'data:image/png;base64,AAAA',
        'C:\\a.jpg',
        '\\\\host\\a.jpg',
    )
    if rng.random() < 0.5:
        return Wrong('path', _json(image=rng.choice(where)))
    return Wrong(
        'path', _json(image=_image(rng), **{rng.choice(('path', 'url', 'file', 'image_url')): rng.choice(where)})
    )


def _wrong_json(rng: random.Random) -> Wrong:
    bodies = (
        b'',
        b'null',
        b'[]',
        b'"a"',
        b'{',
        b'{"image":',
        b"{'image': 1}",
        b'\xff\xfe',
        b'{"image": "a"}{',
        b'1e999999',
        b'[' * 50,
    )
    return Wrong('JSON', rng.choice(bodies))


def _vocabulary(rng: random.Random) -> Wrong:
    wrong: list[Any] = [
        ['a person standing'], [''], ['a, b, c'], ['# a'], ['a\nb'], ['x' * 5000], ['ride, horse'] * 2, 'a person riding a horse',
        [f'a person riding a horse {i}' for i in range(5000)], [None], [['ride', 'horse']], ['\x00'], ['-to-'], ['!?'],
    ]  # fmt: skip
    return Wrong('vocabulary', _json(image=_image(rng), vocabulary=rng.choice(wrong)))


def _number(rng: random.Random) -> Wrong:
    text = rng.choice(('NaN', 'Infinity', '-Infinity', '-1', '2.5', '1e400', '"1"', 'null', '[1]'))
    name = rng.choice(('pred_score_thr', 'top_k'))
    return Wrong('number', f'{{"image": "{_image(rng)}", "{name}": {text}}}'.encode())


def _nested(rng: random.Random) -> Wrong:
    depth = rng.choice((200, 5_000, 200_000))
    start, end = rng.choice((('[', ']'), ('{"a":', '}')))
    field = rng.choice(('image', 'vocabulary', 'top_k'))
    return Wrong('nesting', f'{{"{field}": {start * depth}1{end * depth}}}'.encode())


def _truncated_json(rng: random.Random) -> Wrong:
    content = _json(image=_image(rng), top_k=5)
    return Wrong('truncated JSON', content[: rng.randrange(1, len(content))])


def _noise(rng: random.Random) -> Wrong:
    return Wrong(
        'noise', rng.randbytes(rng.randrange(1, 3000)), rng.choice((JSON, 'image/png', 'application/octet-stream'))
    )


def _raw(rng: random.Random) -> Wrong:
    texts = (
        b'',
        b'GIF89a',
        b'%PDF-1.7',
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n',
    )
    return Wrong('other file', rng.choice(texts), 'image/png')


def _unknown_field(rng: random.Random) -> Wrong:
    return Wrong(
        'unknown field', _json(image=_image(rng), **{rng.choice(('threshold', 'x' * 300, '', '__class__')): 1})
    )


def _no_image(rng: random.Random) -> Wrong:
    return Wrong(
        'no image',
        rng.choice((b'{}', b'{"image": ""}', b'{"image": null}', b'{"image": "===="}', b'{"image": "QUJD"}')),
    )


def _query(rng: random.Random) -> Wrong:
    query = rng.choice(
        (
            '?top_k=0',
            '?top_k=1000',
            '?top_k=a',
            '?pred_score_thr=nan',
            '?pred_score_thr=3',
            '?path=/etc/passwd',
            '?vocabulary=',
        )
    )
    return Wrong('query', _file(rng), 'image/jpeg', query)


def _content_type(rng: random.Random) -> Wrong:
    kinds = (
        'text/plain',
        'multipart/form-data; boundary=x',
        'application/x-www-form-urlencoded',
        '',
        'application/x-pickle',
        'text/json',
    )
    return Wrong('content type', _file(rng), rng.choice(kinds))
