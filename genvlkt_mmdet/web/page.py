"""The page: an image in, interactions, tables and attention out."""

import atexit
import os
import shutil
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..apis import AttendedImage, HOIInferencer
from ..apis.sources import is_video
from ..assets import asset_path
from ..engine import one_line
from ..video import VideoResult
from ..visualization import DEFAULT_SCORE_THR
from .service import (
    READING_HEADER,
    TABLE_HEADER,
    TIMELINE_HEADER,
    HOIService,
    Limits,
    pair_at,
    pair_rows,
    query_of_row,
    reading_rows,
    timeline_rows,
)

if TYPE_CHECKING:
    from gradio import Blocks

_TITLE = 'Human-object interactions'
_INTRODUCTION = (
    'Choose an image or a short video. The page finds every person, every object they interact with, and the interaction. '
    'Files stay on the machine that runs this page.'
)
_KINDS = dict(csv='text/csv', json='application/json')
_FONTS = ('system-ui', 'sans-serif')  # of the visitor's machine: nothing is loaded from the web
_CSS = """
.downloads a {margin-right: 1.5em; display: inline-block}
[role=columnheader] *, [role=gridcell] * {padding-left: 2px !important; padding-right: 2px !important; overflow-wrap: anywhere}
[role=columnheader], [role=gridcell] {font-size: 0.85em}
#video video {max-height: 480px}
footer {display: none !important}
"""


def build_page(service: HOIService) -> 'Blocks':
    """Builds the page.

    Args:
        service (HOIService): The model.

    Returns:
        gradio.Blocks: The page. :func:`serve_page` starts it.

    Raises:
        ImportError: If Gradio is not installed.
    """
    gr = import_gradio()
    limits = service.limits
    model = dict(concurrency_id='model', concurrency_limit=1, api_visibility='private')
    label = f'Image, or video of up to {limits.video_seconds:g} s (up to {limits.megabytes} MB)'
    picture = dict(format='jpeg', show_label=False, buttons=[], interactive=False)
    rows = dict(interactive=False, wrap=True, buttons=[])
    with gr.Blocks(analytics_enabled=False, title=_TITLE, delete_cache=(600, 3600)) as page:
        state = gr.State(time_to_live=3600)
        gr.Markdown(f'# {_TITLE}\n{_INTRODUCTION}')
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                file = gr.File(label=label, file_types=['image', 'video'], height=140, elem_id='file')
                example = gr.Button('Take the example image', size='sm')
                threshold = gr.Slider(0, 2, DEFAULT_SCORE_THR, step=0.05, label='Score threshold')
                top_k = gr.Slider(1, 100, 20, step=1, label='Maximum number of interactions')
                phrases = gr.Textbox(
                    label='Interactions to look for, one per line',
                    info='Empty: those of the training. New ones may need a lower threshold.',
                    placeholder='a person washing a horse\npull, dog',
                    lines=3,
                    max_lines=8,
                )
                readings = gr.Dataframe(
                    headers=list(READING_HEADER),
                    column_widths=['34%', '21%', '21%', '24%'],
                    label='How they were read',
                    visible=False,
                    elem_id='readings',
                    **rows,
                )
                button = gr.Button('Detect', variant='primary')
            with gr.Column(scale=2, min_width=300):
                status = gr.Textbox(label='Result', interactive=False, lines=1, max_lines=6, elem_id='status')
                drawing = gr.Image(**picture, elem_id='drawing')
                hint = gr.Markdown(
                    'Click a pair in the image, or a line of the table, to see where the model looks for it.'
                )
                with gr.Row(elem_id='attention'):  # beside each other, or one below the other on a phone
                    instance = gr.Image(**picture, visible=False, min_width=280)
                    interaction = gr.Image(**picture, visible=False, min_width=280)
                video = gr.Video(show_label=False, buttons=[], interactive=False, visible=False, elem_id='video')
                table = gr.Dataframe(
                    headers=list(TABLE_HEADER),
                    datatype=['number', 'str', 'number', 'number'],
                    column_widths=['13%', '43%', '17%', '27%'],
                    type='array',
                    elem_id='table',
                    **rows,
                )
                timeline = gr.Dataframe(
                    headers=list(TIMELINE_HEADER),
                    column_widths=['21%', '19%', '32%', '28%'],
                    visible=False,
                    elem_id='timeline',
                    **rows,
                )
                downloads = gr.HTML(elem_classes='downloads')

        def detect(path: str | None, thr: float, count: float, text: str) -> Iterator[dict]:
            hidden, unseen = gr.update(value=None, visible=False), gr.update(visible=False)
            empty = {
                **{state: None, status: '', downloads: '', timeline: unseen, readings: unseen},
                **{instance: hidden, interaction: hidden, video: hidden, hint: gr.update(visible=True)},
                **{drawing: gr.update(value=None, visible=True), table: gr.update(value=[], visible=True)},
            }
            if path is None:
                yield {**empty, status: 'Choose a file first.'}
                return
            name = os.path.basename(path)
            try:
                if is_video(path):
                    yield {**empty, status: f'Looking at {name}: this takes up to {limits.seconds:g} seconds ...'}
                    with tempfile.TemporaryDirectory() as folder:  # Gradio copies the video before the function goes on
                        found, read = service.detect_video(path, folder, thr, text)
                        shown = _shown_video(found, name)
                        files = dict(csv=found.timeline.to_csv(), json=found.timeline.to_json())
                        yield {
                            **empty,
                            status: shown,
                            drawing: hidden,
                            hint: unseen,
                            video: gr.update(value=str(found.files[0]), visible=True),
                            table: unseen,
                            timeline: gr.update(value=timeline_rows(found.timeline), visible=True),
                            downloads: _links('timeline', files),
                            readings: gr.update(value=reading_rows(read), visible=bool(read)),
                        }
                    return
                attended, read = service.detect(path, thr, int(count), text)
                result = attended.result
                files = dict(csv=result.to_pandas().to_csv(index=False), json=result.to_json(indent=1))
                yield {
                    **empty,
                    state: attended,
                    status: f'{len(result)} interactions in {name}, {result.width} x {result.height} pixels',
                    drawing: gr.update(value=service.draw(attended), visible=True),
                    table: gr.update(value=pair_rows(result), visible=True),
                    downloads: _links('interactions', files),
                    readings: gr.update(value=reading_rows(read), visible=bool(read)),
                }
            except (ValueError, OSError, ImportError) as error:
                yield {**empty, status: one_line(error).replace(path, name)}

        def show(attended: AttendedImage, query: int | None) -> list[dict]:
            if query is None:
                return [gr.skip(), gr.skip()]
            return [
                gr.update(value=side, visible=True) for side in np.array_split(service.draw(attended, query), 2, axis=1)
            ]

        def clicked(attended: AttendedImage | None, event: gr.SelectData) -> list[dict]:
            return show(attended, attended and pair_at(attended.result, event.index))

        def chosen(attended: AttendedImage | None, event: gr.SelectData) -> list[dict]:
            return show(attended, attended and query_of_row(attended.result, event.row_value))

        inputs = [file, threshold, top_k, phrases]
        outputs = [state, status, drawing, hint, instance, interaction, video, table, timeline, downloads, readings]
        for event in (file.upload, button.click, threshold.release, top_k.release):
            event(detect, inputs, outputs, **model)
        took = example.click(lambda: str(asset_path('example.jpg')), None, file, api_visibility='private')
        took.then(detect, inputs, outputs, **model)
        drawing.select(clicked, state, [instance, interaction], **model)
        table.select(chosen, state, [instance, interaction], **model)
    return page.queue(max_size=limits.waiting)


def serve_page(
    inferencer: HOIInferencer,
    host: str = '127.0.0.1',
    port: int | None = None,
    limits: Limits | None = None,
    open_browser: bool = False,
    wait: bool = True,
) -> 'Blocks':
    """Serves the page until the process is stopped.

    Nothing is sent to other machines: no usage statistics, no fonts from the web, no public link.

    Args:
        inferencer (HOIInferencer): The model. Nothing else may use it in the meantime.
        host (str): Address to listen on. The default is this machine alone. ``'0.0.0.0'`` lets other machines use the page,
            without a password and without encryption.
        port (int, optional): Port. None: the first free one from 7860.
        limits (Limits, optional): What a request may cost. None: the defaults.
        open_browser (bool): Whether to open the page in the browser of this machine.
        wait (bool): Whether the function returns only when the page is stopped.

    Returns:
        gradio.Blocks: The running page. Its ``local_url`` is the address, its ``close()`` stops it.

    Raises:
        ImportError: If Gradio is not installed.
        OSError: If the port is taken, or the host is no address of this machine.
    """
    gr = import_gradio()
    if 'GRADIO_TEMP_DIR' not in os.environ:  # what users upload
        os.environ['GRADIO_TEMP_DIR'] = tempfile.mkdtemp(prefix='genvlkt-web-')
        atexit.register(shutil.rmtree, os.environ['GRADIO_TEMP_DIR'], ignore_errors=True)
    service = HOIService(inferencer, limits or Limits())
    page = build_page(service)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            max_file_size=f'{service.limits.megabytes}mb',
            allowed_paths=[str(asset_path('example.jpg'))],
            footer_links=[],
            theme=gr.themes.Default(font=_FONTS, font_mono=_FONTS),
            css=_CSS,
        )
    except OSError as error:
        place = f'{host}, port {port}' if port else f'any port of {host} from 7860'
        raise OSError(f'The page cannot listen on {place}: choose another host or port.') from error
    print(f'The page is at {page.local_url} until you press Ctrl-C.')
    if wait:
        page.block_thread()
    return page


def import_gradio() -> Any:
    """Imports Gradio so that it sends nothing to its makers.

    Raises:
        ImportError: If it is not installed.
    """
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    try:
        import gradio
    except ImportError as error:
        raise ImportError("The page needs Gradio, which is not installed: run `pip install 'genvlkt[web]'`.") from error
    return gradio


def _shown_video(found: VideoResult, name: str) -> str:
    line = found.timeline
    text = f'{len(line.intervals)} interactions in {name}, {line.seconds:.1f} seconds, {line.frames} frames looked at'
    return text if found.error is None else f'{text}. The video broke off: {found.error}'


def _links(stem: str, files: Mapping[str, str]) -> str:
    """Links to files, each of an ending and a text. The texts are in the links, so the server keeps no files."""
    return ' '.join(
        f'<a download="{stem}.{ending}" href="data:{_KINDS[ending]};base64,{b64encode(text.encode()).decode()}">'
        f'Download {stem}.{ending}</a>'
        for ending, text in files.items()
    )
