"""Users of `bench_server.py` for locust: each one sends its next request when it has the answer to the last one.

bench_server.py starts locust with this file. The settings are in the environment, because locust has a command line of its own.
"""

import base64
import json
import os
import random
import time
from pathlib import Path

from locust import FastHttpUser, events, task

IMAGE = base64.b64encode(Path(os.environ['GENVLKT_LOAD_IMAGE']).read_bytes()).decode()
VOCABULARIES = json.loads(os.environ['GENVLKT_LOAD_VOCABULARIES'])
# Seconds since the start of the first request, seconds to the answer, and the status, or the name of the error without one
answers: list[tuple[float, float, str]] = []
sent = 0
first = time.monotonic()


class User(FastHttpUser):
    """Detects the interactions in the image again and again."""

    connection_timeout = network_timeout = 60

    @task
    def detect(self) -> None:
        """Sends a request and notes the answer."""
        global sent
        fields = dict(image=IMAGE)
        if vocabulary := random.choice(VOCABULARIES):
            fields['vocabulary'] = vocabulary
        sent += 1
        start = time.monotonic()
        with self.client.post('/detect', json=fields, catch_response=True) as answer:
            status = str(answer.status_code or type(answer.error).__name__)
            answer.success()  # locust's own table is not used
        answers.append((start - first, time.monotonic() - start, status))
        if status != '200':
            # Shorter than the second of Retry-After, so that the queue stays full. locust lets other users run meanwhile.
            time.sleep(0.2)


@events.quitting.add_listener
def write(environment: object, **kwargs: object) -> None:
    """Writes the answers."""
    Path(os.environ['GENVLKT_LOAD_OUT']).write_text(json.dumps(dict(sent=sent, answers=answers)))
