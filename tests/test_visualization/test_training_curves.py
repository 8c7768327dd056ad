import json

import pytest

from genvlkt_mmdet.plotting import save_figure
from genvlkt_mmdet.visualization.training_curves import plot_trainings, read_training_log


@pytest.fixture
def write(tmp_path):
    """Writes a log as mmengine does: work_dir/TIME/vis_data/scalars.json."""

    def write(work_dir: str, *lines: dict | str, time: str = '20261128_100000'):
        folder = tmp_path / work_dir / time / 'vis_data'
        folder.mkdir(parents=True, exist_ok=True)
        text = '\n'.join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        (folder / 'scalars.json').write_text(text + '\n')
        return tmp_path / work_dir

    return write


def step(iteration: int, loss: float, **more: float) -> dict:
    return dict(lr=1e-4, loss=loss, loss_hoi=loss / 2, iter=iteration, epoch=1, step=iteration, **more)


def test_steps_and_metrics(write):
    """Metrics come with the iteration, or with the epoch and then belong to the latest iteration."""
    run = write('run', step(10, 3.0), step(20, 2.0), {'hico/full': 0.25, 'step': 24}, step(30, 1.0))
    log = read_training_log(run)
    assert log.name == 'run' and log.damaged == 0
    assert log.curves['loss'] == {10: 3, 20: 2, 30: 1} and log.curves['loss_hoi'] == {10: 1.5, 20: 1, 30: 0.5}
    assert log.curves['hico/full'] == {24: 0.25}
    by_epoch = write('old', step(10, 3.0), step(20, 2.0), {'hico/full': 0.25, 'step': 1}, {'hico/full': 0.5, 'step': 2})
    assert read_training_log(by_epoch).curves['hico/full'] == {20: 0.5}
    file = next(run.rglob('scalars.json'))
    assert read_training_log(file).curves == log.curves and read_training_log(file).name == 'run'


def test_resumed_run_replaces_what_it_repeats(write):
    write('run', step(10, 3.0), step(20, 2.0), step(30, 99.0))
    run = write('run', step(30, 1.0), step(40, 0.5), time='20261128_110000')
    assert read_training_log(run).curves['loss'] == {10: 3, 20: 2, 30: 1, 40: 0.5}


def test_damaged_lines(write):
    lines = step(10, 3.0), '{"loss": 2.0, "st', '[1]', '{"loss": 1}', '', '{"loss": NaN, "step": 20}', '[' * 100_000
    log = read_training_log(write('run', *lines))
    assert log.damaged == 4 and list(log.curves['loss']) == [10, 20]


def test_nothing_to_read(write, tmp_path):
    for path in (tmp_path / 'none', write('empty', '').parent / 'x'):
        with pytest.raises(FileNotFoundError, match='is no log: give the work folder'):
            read_training_log(path)
    with pytest.raises(ValueError, match='holds no scalar'):
        read_training_log(tmp_path / 'empty')


def test_figure(write, tmp_path):
    long = write('long', *(step(i, 100 / i, loss_mimic=1.0) for i in range(1, 200)), {'hico/full': 0.4, 'step': 199})
    one = write('one', step(1, 50.0), {'hico/full': 0.1, 'step': 1})
    no_metric = write('no_metric', *(step(i, 60 / i) for i in range(1, 20)))
    logs = [read_training_log(path) for path in (long, one, no_metric)]
    figure = plot_trainings(logs)
    assert [axes.get_title() for axes in figure.axes] == ['hico/full', 'loss', 'loss_hoi', 'loss_mimic']
    full, loss, _, mimic = figure.axes
    curves = [list(zip(*line.get_data(), strict=True)) for line in full.lines if len(line.get_xdata())]
    assert curves == [[(199, 0.4)], [(1, 0.1)]]
    # a single point is only visible with a marker, and a curve has the same colour in all panels
    assert [line.get_marker() for line in loss.lines] == ['None', 'o', 'o']
    assert mimic.lines[0].get_color() == loss.lines[0].get_color() != loss.lines[1].get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['long', 'one', 'no_metric']
    save_figure(figure, tmp_path / 'curves.png')
    assert (tmp_path / 'curves.png').read_bytes().startswith(b'\x89PNG')

    assert [a.get_title() for a in plot_trainings(logs, ['lr', 'loss']).axes] == ['lr', 'loss']
    with pytest.raises(ValueError, match="have no 'mAP': choose from hico/full, loss, loss_hoi, loss_mimic, lr"):
        plot_trainings(logs, ['loss', 'mAP'])
