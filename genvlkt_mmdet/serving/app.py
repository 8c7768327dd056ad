"""The web application: routes, checks, limits and metrics. It needs the extra ``serve``."""

import asyncio
import base64
import contextlib
import hmac
import os
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..datasets.image_file import ImageTooLargeError
from ..version import __version__
from .batching import Batcher
from .model import PreparedImage, ServedModel, VocabularyError
from .schema import DetectAnswer, DetectOptions, DetectRequest, Problem, problem_of

_OPEN_PATHS = ('/health/live', '/health/ready')  # no token, for whoever watches the process
_BODY_EXTRA = 100_000  # bytes of JSON around the image
_PROBLEMS = {
    400: 'no image, or a damaged one',
    401: 'wrong token',
    408: 'the request did not arrive in time',
    413: 'too many bytes or pixels',
    415: 'another content type',
    422: 'a wrong field or phrase',
    429: 'too many requests at the same time',
    503: 'the server stops',
    504: 'no answer in time',
}


class RequestError(Exception):
    """A request is answered with an error.

    Args:
        status (int): Status code of HTTP.
        message (str): One sentence.
        headers (dict, optional): More headers.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers

    @property
    def response(self) -> Response:
        """The answer."""
        return JSONResponse(dict(error=str(self)), self.status, self.headers)


class Metrics:
    """What ``/metrics`` reports. Each server has its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        seconds = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
        sizes = (1, 2, 4, 8, 16, 32, 64)
        self.requests = Counter('genvlkt_requests', 'Answered requests to /detect', ['code'], registry=registry)
        self.seconds = Histogram(
            'genvlkt_request_seconds', 'Time to the answer', ['code'], registry=registry, buckets=seconds
        )
        self.running = Gauge('genvlkt_requests_running', 'Requests that are worked on or wait', registry=registry)
        self.batch_images = Histogram('genvlkt_batch_images', 'Images in a batch', registry=registry, buckets=sizes)
        self.batch_seconds = Histogram(
            'genvlkt_batch_seconds', 'Time of the model for a batch', registry=registry, buckets=seconds
        )


class HOIApplication:
    """State of the server. :attr:`app` is the ASGI application.

    Args:
        model (ServedModel): The model.
        token (str, optional): Token that requests need. None: none.

    Attributes:
        stopping (bool): Whether new requests are refused.
    """

    def __init__(self, model: ServedModel, token: str | None = None) -> None:
        self.model, self.limits = model, model.limits
        self.stopping = False
        self.metrics = Metrics()
        self._token = None if token is None else f'Bearer {token}'.encode()
        self._running = 0
        self._batches: asyncio.Task | None = None
        self.app = self._routes()

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        limits = self.limits
        self._batcher = Batcher(
            self._predict, limits.batch, limits.batch_delay, more_coming=lambda waiting: self._running > waiting
        )
        self._decoders = ThreadPoolExecutor(min(4, os.cpu_count() or 1), 'genvlkt-decoder')
        self._decoded = asyncio.Semaphore(2 * limits.batch)  # bounds the memory of decoded images
        self._batches = asyncio.create_task(self._batcher.run())
        yield
        self._batches.cancel()
        self._decoders.shutdown(cancel_futures=True)

    def _predict(self, key: tuple, batch: list[PreparedImage]) -> list[bytes]:
        self.metrics.batch_images.observe(len(batch))
        with self.metrics.batch_seconds.time():
            return [orjson.dumps(result.to_dict()) for result in self.model.predict(key, batch)]

    def _routes(self) -> FastAPI:
        # The pages that show a schema load scripts from other servers, so there are none.
        app = FastAPI(
            title='genvlkt',
            version=__version__,
            lifespan=self._lifespan,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        app.add_middleware(_Gate, application=self)
        app.add_exception_handler(RequestError, _answer_error)
        app.add_exception_handler(HTTPException, _answer_http_error)
        app.add_exception_handler(Exception, _answer_unexpected)
        file = dict(schema=dict(type='string', format='binary'))
        body = {
            'application/json': dict(schema=DetectRequest.model_json_schema()),
            'image/*': file,
            'application/octet-stream': file,
        }
        options = DetectOptions.model_json_schema()['properties']
        query = [
            {'name': name, 'in': 'query', 'schema': schema, 'description': 'only with an image file as body'}
            for name, schema in options.items()
        ]
        app.add_api_route(
            '/detect',
            self.detect,
            methods=['POST'],
            summary='Detect the interactions in an image',
            response_class=JSONResponse,
            responses={
                200: dict(model=DetectAnswer),
                **{c: dict(model=Problem, description=t) for c, t in _PROBLEMS.items()},
            },
            openapi_extra=dict(requestBody=dict(required=True, content=body), parameters=query),
        )
        for path, function in (('/health/live', self.live), ('/health/ready', self.ready)):
            app.add_api_route(path, function, summary=function.__doc__, responses={503: dict(model=Problem)})
        app.add_api_route('/metrics', self.show_metrics, summary='Metrics for Prometheus', response_class=Response)
        return app

    async def detect(self, request: Request) -> Response:
        """Returns every person, every object they interact with, and the interaction."""
        seconds, start = self.limits.seconds, time.monotonic()
        try:
            body = await asyncio.wait_for(self._body(request), seconds)
        except asyncio.TimeoutError:
            raise RequestError(
                408, f'The request did not arrive within {seconds:g} seconds: send a smaller image.'
            ) from None
        except ClientDisconnect:  # nobody reads this, but it is counted
            raise RequestError(400, 'The request broke off: send it again.') from None
        try:
            answer = await asyncio.wait_for(self._answer(request, body), seconds - (time.monotonic() - start))
        except asyncio.TimeoutError:
            raise RequestError(504, f'There was no answer within {seconds:g} seconds: try again later.') from None
        except VocabularyError as error:
            raise RequestError(422, str(error)) from None
        return Response(answer, media_type='application/json')

    async def _answer(self, request: Request, body: bytes) -> bytes:
        async with self._decoded:
            loop = asyncio.get_running_loop()
            item = await loop.run_in_executor(self._decoders, self._prepare, body, request)
            return await self._batcher.submit(item.batch_key, item)

    async def live(self) -> dict[str, str]:
        """Whether the process works"""  # noqa: D415, the summary of a route
        if self._batches is None or self._batches.done():
            raise RequestError(503, 'The server no longer runs batches: start it again.')
        return dict(status='live')

    async def ready(self) -> dict[str, str]:
        """Whether the server takes requests"""  # noqa: D415, the summary of a route
        if self.stopping:
            raise RequestError(503, 'The server stops: ask another one.')
        return dict(status='ready')

    async def show_metrics(self) -> Response:
        """Metrics in the text format of Prometheus."""
        return Response(generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _body(self, request: Request) -> bytes:
        """Reads the body, as far as it is allowed."""
        limit = self.limits.bytes
        if _kind(request) == 'application/json':
            limit = limit * 4 // 3 + _BODY_EXTRA
        too_large = RequestError(
            413, f'The image has more than the {self.limits.megabytes} MB allowed: make it smaller.'
        )
        length = request.headers.get('content-length', '')
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large
        return bytes(body)

    def _prepare(self, content: bytes, request: Request) -> PreparedImage:
        """Checks and decodes the body of a request."""
        kind, query = _kind(request), dict[str, Any](request.query_params)
        try:
            if kind == 'application/json':
                options = DetectRequest.model_validate_json(content, strict=True)
                if query:
                    raise RequestError(422, 'With JSON, options are fields of the body: leave the query out.')
                content = _decoded(options.image)
            elif kind.startswith('image/') or kind == 'application/octet-stream':
                if 'vocabulary' in query:
                    query['vocabulary'] = request.query_params.getlist('vocabulary')
                options = DetectOptions.model_validate(query)
            else:
                raise RequestError(
                    415, 'The content type must be application/json, image/... or application/octet-stream: set it.'
                )
        except ValidationError as error:
            raise RequestError(422, problem_of(error)) from None
        if len(content) > self.limits.bytes:
            raise RequestError(413, f'The image has more than the {self.limits.megabytes} MB allowed: make it smaller.')
        if not content:
            raise RequestError(400, 'The image is empty: send the content of an image file.')
        try:
            return self.model.prepare(content, options.vocabulary, options.pred_score_thr, options.top_k)
        except VocabularyError:
            raise
        except ImageTooLargeError as error:
            raise RequestError(413, str(error)) from None
        except ValueError as error:
            raise RequestError(400, str(error)) from None

    def check(self, scope: Scope) -> None:
        """Decides before the body is read whether a request is served.

        Raises:
            RequestError: If it is not.
        """
        if scope['path'] in _OPEN_PATHS:
            return
        if self._token is not None:
            given = next((value for name, value in scope['headers'] if name == b'authorization'), b'')
            if not hmac.compare_digest(given, self._token):
                text = 'The token is missing or wrong: send the header Authorization: Bearer TOKEN.'
                raise RequestError(401, text, {'WWW-Authenticate': 'Bearer'})
        if scope['path'] != '/detect':
            return
        if self.stopping:
            raise RequestError(503, 'The server stops: ask another one, or try again later.', {'Retry-After': '5'})
        if self._running >= self.limits.waiting:
            raise RequestError(429, 'Too many requests wait: try again in a second.', {'Retry-After': '1'})

    @contextlib.contextmanager
    def running(self) -> Any:
        """Counts a request while it runs."""
        self._running += 1
        self.metrics.running.set(self._running)
        try:
            yield
        finally:
            self._running -= 1
            self.metrics.running.set(self._running)


class _Gate:
    """Refuses requests before their body is read, counts them, and closes connections when the server stops."""

    def __init__(self, app: ASGIApp, application: HOIApplication) -> None:
        self._app = app
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        start, code, own = time.monotonic(), 500, self._application

        async def watched(message: Message) -> None:
            nonlocal code
            if message['type'] == 'http.response.start':
                code = message['status']
                if own.stopping:
                    message['headers'] = [*message['headers'], (b'connection', b'close')]
            await send(message)

        try:
            own.check(scope)
        except RequestError as error:
            await error.response(scope, receive, watched)
        else:
            with own.running() if scope['path'] == '/detect' else contextlib.nullcontext():
                await self._app(scope, receive, watched)
        finally:
            if scope['path'] == '/detect':
                own.metrics.requests.labels(code).inc()
                own.metrics.seconds.labels(code).observe(time.monotonic() - start)


def _kind(request: Request) -> str:
    """The content type without its parameters."""
    return request.headers.get('content-type', '').partition(';')[0].strip().lower()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise RequestError(
            400, 'image is no base64: send the content of an image file; paths and addresses are not read.'
        ) from None


async def _answer_error(request: Request, error: Any) -> Response:
    return error.response


async def _answer_http_error(request: Request, error: Any) -> Response:
    sentences = {404: 'There is no such path: images go to /detect.', 405: 'This path takes another method.'}
    text = sentences.get(error.status_code, f'{error.detail}.')
    return RequestError(error.status_code, text, error.headers).response


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    return RequestError(500, 'The server made an error, which is in its log: tell the people who run it.').response
