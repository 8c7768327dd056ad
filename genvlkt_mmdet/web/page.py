"""The page: an image in, interactions, tables and attention out."""

import atexit
import os
import shutil
import tempfile
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from ..apis import AttendedImage, HOIInferencer, HOIResult
from ..assets import asset_path
from ..engine import one_line
from ..visualization import DEFAULT_SCORE_THR
from .service import READING_HEADER, TABLE_HEADER, HOIService, Limits, pair_at, pair_rows, query_of_row, reading_rows

if TYPE_CHECKING:
    from gradio import Blocks

_TITLE = 'Human-object interactions'
_INTRODUCTION = (
    'Choose an image. The page finds every person, every object they interact with, and the interaction. '
    'Files stay on the machine that runs this page.'
)
_FONTS = ('system-ui', 'sans-serif')  # of the visitor's machine: nothing is loaded from the web
_CSS = """
.downloads a {margin-right: 1.5em}
table th, table td {font-size: 0.9em; overflow-wrap: anywhere}
#table th *, #table td *, #readings th *, #readings td * {padding-left: 2px !important; padding-right: 2px !important}
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
    gr = _gradio()
    limits = service.limits
    model = dict(concurrency_id='model', concurrency_limit=1, api_visibility='private')
    picture = dict(format='jpeg', show_label=False, buttons=[], interactive=False)
    rows = dict(interactive=False, wrap=True, buttons=[])
    with gr.Blocks(analytics_enabled=False, title=_TITLE, delete_cache=(600, 3600)) as page:
        state = gr.State(time_to_live=3600)
        gr.Markdown(f'# {_TITLE}\n{_INTRODUCTION}')
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                file = gr.File(label=f'Image (up to {limits.megabytes} MB)', file_types=['image'], height=140)
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
                    headers=list(READING_HEADER), label='How they were read', visible=False, elem_id='readings', **rows
                )
                button = gr.Button('Detect', variant='primary')
            with gr.Column(scale=2, min_width=300):
                status = gr.Textbox(label='Result', interactive=False, lines=1, max_lines=6, elem_id='status')
                drawing = gr.Image(**picture, elem_id='drawing')
                gr.Markdown('Click a pair in the image, or a line of the table, to see where the model looks for it.')
                attention = gr.Image(**picture, visible=False, elem_id='attention')
                table = gr.Dataframe(
                    headers=list(TABLE_HEADER),
                    datatype=['number', 'str', 'number', 'number'],
                    column_widths=['13%', '47%', '17%', '23%'],
                    type='array',
                    elem_id='table',
                    **rows,
                )
                downloads = gr.HTML(elem_classes='downloads')

        def detect(path: str | None, thr: float, count: float, text: str) -> dict:
            hidden = gr.update(value=None, visible=False)
            empty = {state: None, drawing: None, table: [], downloads: '', attention: hidden, readings: hidden}
            if path is None:
                return {**empty, status: 'Choose an image first.'}
            try:
                attended, read = service.detect(path, thr, int(count), text)
            except (ValueError, OSError) as error:
                return {**empty, status: one_line(error).replace(path, os.path.basename(path))}
            result = attended.result
            return {
                **empty,
                state: attended,
                status: f'{len(result)} interactions in {result.image}, {result.width} x {result.height} pixels',
                drawing: service.draw(attended),
                table: pair_rows(result),
                downloads: _downloads(result),
                readings: gr.update(value=reading_rows(read), visible=bool(read)),
            }

        def show(attended: AttendedImage, query: int | None) -> dict:
            if query is None:
                return gr.skip()
            return gr.update(value=service.draw(attended, query), visible=True)

        def clicked(attended: AttendedImage | None, event: gr.SelectData) -> dict:
            return show(attended, attended and pair_at(attended.result, event.index))

        def chosen(attended: AttendedImage | None, event: gr.SelectData) -> dict:
            return show(attended, attended and query_of_row(attended.result, event.row_value))

        inputs = [file, threshold, top_k, phrases]
        outputs = [state, status, drawing, table, downloads, attention, readings]
        for event in (file.upload, button.click, threshold.release, top_k.release):
            event(detect, inputs, outputs, **model)
        took = example.click(lambda: str(asset_path('example.jpg')), None, file, api_visibility='private')
        took.then(detect, inputs, outputs, **model)
        drawing.select(clicked, state, attention, **model)
        table.select(chosen, state, attention, **model)
    return page.queue(max_size=limits.waiting)


def serve_page(
    inferencer: HOIInferencer,
    host: str = '127.0.0.1',
    port: int | None = None,
    limits: Limits = Limits(),
    open_browser: bool = False,
    wait: bool = True,
) -> 'Blocks':
    """Serves the page until the process is stopped.

    Nothing is sent to other machines: no usage statistics, no fonts from the web, no public link.

    Args:
        inferencer (HOIInferencer): The model. Nothing else may use it in the meantime.
        host (str): Address to listen on. The default is this machine alone. ``'0.0.0.0'`` lets other machines use the page, without
            a password and without encryption.
        port (int, optional): Port. None: the first free one from 7860.
        limits (Limits): What a request may cost.
        open_browser (bool): Whether to open the page in the browser of this machine.
        wait (bool): Whether the function returns only when the page is stopped.

    Returns:
        gradio.Blocks: The running page. Its ``local_url`` is the address, its ``close()`` stops it.

    Raises:
        ImportError: If Gradio is not installed.
        OSError: If the port is taken.
    """
    gr = _gradio()
    if 'GRADIO_TEMP_DIR' not in os.environ:  # what users upload
        os.environ['GRADIO_TEMP_DIR'] = tempfile.mkdtemp(prefix='genvlkt-web-')
        atexit.register(shutil.rmtree, os.environ['GRADIO_TEMP_DIR'], ignore_errors=True)
    page = build_page(HOIService(inferencer, limits))
    page.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=not wait,
        share=False,
        ssr_mode=False,
        max_file_size=f'{limits.megabytes}mb',
        allowed_paths=[str(asset_path('example.jpg'))],
        footer_links=[],
        theme=gr.themes.Default(font=_FONTS, font_mono=_FONTS),
        css=_CSS,
    )
    return page


def _gradio() -> Any:
    """Imports Gradio so that it sends nothing to its makers."""
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    try:
        import gradio
    except ImportError as error:
        raise ImportError("The page needs Gradio, which is not installed: run `pip install 'genvlkt[web]'`.") from error
    return gradio


def _downloads(result: HOIResult) -> str:
    """Links to the table as CSV and as JSON. The files are in the links, so the server keeps none."""
    files = (
        ('interactions.csv', 'text/csv', result.to_pandas().to_csv(index=False)),
        ('interactions.json', 'application/json', result.to_json(indent=1)),
    )
    return ' '.join(
        f'<a download="{name}" href="data:{kind};base64,{b64encode(text.encode()).decode()}">Download {name}</a>'
        for name, kind, text in files
    )
