"""A model as an HTTP server. Only :func:`serve_model` needs the extra ``serve``, and imports it when it is called."""

from types import ModuleType
from typing import TYPE_CHECKING

from .batching import Batcher
from .model import ServedModel, ServerLimits

if TYPE_CHECKING:
    from ..apis import HOIInferencer


def import_server() -> ModuleType:
    """Imports the module of the server.

    Raises:
        ImportError: If FastAPI, uvicorn or prometheus_client is not installed.
    """
    try:
        from . import server
    except ImportError as error:
        raise ImportError(
            f"The server needs {error.name}, which is not installed: run `pip install 'genvlkt[serve]'`."
        ) from error
    return server


def serve_model(
    inferencer: 'HOIInferencer',
    host: str = '127.0.0.1',
    port: int = 8000,
    limits: ServerLimits | None = None,
    token: str | None = None,
) -> None:
    """Serves a model until the process gets SIGTERM or SIGINT. Requests that run then are answered, and new ones refused.

    Args:
        inferencer (HOIInferencer): The model, of a checkpoint or exported. Nothing else may use it in the meantime.
        host (str): Address to listen on. The default is this machine alone.
        port (int): Port. 0: any free one.
        limits (ServerLimits, optional): What a request may cost. None: the defaults.
        token (str, optional): Every request but those for health needs the header ``Authorization: Bearer TOKEN``. None: no
            token is needed.

    Raises:
        ImportError: If the extra ``serve`` is not installed.
        OSError: If the server cannot listen on the address.
        ValueError: If the token is empty or has characters that a header cannot carry.
    """
    import_server().Server(inferencer, host, port, limits, token).run()


__all__ = ['Batcher', 'ServedModel', 'ServerLimits', 'import_server', 'serve_model']
