"""Runs the application with uvicorn, and stops it without losing a request. It needs the extra ``serve``."""

import json
import socket
import threading
import time
from types import FrameType

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..apis import HOIInferencer
from .app import HOIApplication
from .model import ServedModel, ServerLimits

# Seconds between the signal to stop and the end of listening. A client with an open connection, or a load balancer that has
# not noticed yet, gets an answer (503) in this time.
_DRAIN_SECONDS = 1.0


class Server(uvicorn.Server):
    """A model as an HTTP server. See :func:`genvlkt_mmdet.serving.serve_model` for arguments and errors.

    Attributes:
        address (str): Its address, such as ``'http://127.0.0.1:8000'``.
    """

    def __init__(
        self,
        inferencer: HOIInferencer,
        host: str = '127.0.0.1',
        port: int = 8000,
        limits: ServerLimits | None = None,
        token: str | None = None,
    ) -> None:
        if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token != ''):
            raise ValueError(
                'The token must be printable ASCII, not empty, without spaces around it: choose another one.'
            )
        limits = limits or ServerLimits()
        self.application = HOIApplication(ServedModel(inferencer, limits), token)
        super().__init__(
            uvicorn.Config(
                self.application.app,
                http=_JSONErrors,
                ws='none',
                log_level='warning',
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(limits.seconds) + 5,
            )
        )
        self._stop_at: float | None = None
        self._socket = _listen(host, port)
        port = self._socket.getsockname()[1]
        self.address = f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until the process gets SIGTERM or SIGINT, or :meth:`stop` is called."""
        super().run(sockets=[self._socket])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to serve, and says where. From here, signals stop the server without losing a request."""
        await super().startup(sockets)
        print(f'Serving at {self.address} until it gets SIGTERM or Ctrl-C.', flush=True)

    def run_in_thread(self) -> threading.Thread:
        """Serves in a thread, and returns when requests are taken."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        while not self.started and thread.is_alive():
            time.sleep(0.01)
        return thread

    def stop(self) -> None:
        """Refuses new requests, answers those that run, and ends the server."""
        self.application.stopping = True
        if self._stop_at is None:
            self._stop_at = time.monotonic() + _DRAIN_SECONDS

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stops. The second signal does not wait for running requests."""
        # uvicorn's own method would end the process by the signal; a stop that was asked for is no failure.
        if self.application.stopping:
            self.should_exit = self.force_exit = True
        self.stop()

    async def on_tick(self, counter: int) -> bool:
        """Ends listening when the time is over. uvicorn calls it ten times a second."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)


class _JSONErrors(H11Protocol):
    """Answers in JSON also when a request is no HTTP."""

    def send_400_response(self, msg: str) -> None:
        body = json.dumps(dict(error='The request is no valid HTTP/1.1: check the client.')).encode()
        head = f'HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n'
        self.transport.write(head.encode() + b'connection: close\r\n\r\n' + body)
        self.transport.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise OSError(f'The server cannot listen on {host}, port {port}: choose another host or port.') from error
