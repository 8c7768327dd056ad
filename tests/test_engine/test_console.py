"""The short console: a few lines for a person, while the log file has every detail."""

import logging
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger, print_log

from genvlkt_mmdet.engine import train_model, training_config
from genvlkt_mmdet.engine.console import shorten_console
from tests.test_engine.toy import toy_config


@pytest.fixture
def config(tmp_path, monkeypatch) -> str:
    """A config file of a training of two epochs with three steps each."""
    monkeypatch.chdir(tmp_path)
    cfg = toy_config('work', epochs=2) | dict(experiment_name=tmp_path.name, log_level='INFO')
    cfg['default_hooks'] |= dict(logger=dict(type='LoggerHook', interval=2))
    Config(cfg).dump('toy.py')
    return 'toy.py'


def test_one_line_per_logging_step(config, capsys):
    train_model(training_config(config), verbose=False)
    out = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(out) if line.startswith('Training on'))
    assert out[start] == 'Training on 12 images for 2 epochs.'
    log = Path(out[start + 1].split('the full log in ')[1])
    steps = [line for line in out[start + 2 :] if line.startswith('Epoch')]
    assert [line.split(', loss')[0] for line in steps] == [
        f'Epoch {epoch}/2, step {step}/3' for epoch in (1, 2) for step in (2, 3)
    ]
    assert all(line.endswith(' left') for line in steps)
    assert len(out) < 15
    text = log.read_text()
    for detail in ('System environment', 'Config:', 'Hooks will be executed', 'Epoch(train)', 'data_time'):
        assert detail in text and detail not in '\n'.join(out)


def test_verbose_shows_what_the_file_holds(config, capsys):
    train_model(training_config(config))
    out = capsys.readouterr().out
    assert 'Hooks will be executed' in out and 'Training on' not in out


def test_warnings_and_own_messages_are_shown(tmp_path, capsys):
    logger = MMLogger.get_instance(tmp_path.name, log_level='INFO', log_file=str(tmp_path / 'full.log'))
    shorten_console(logger)
    print_log('\nA table', logger)
    print_log('A file is missing.', logger, logging.WARNING)
    print_log('backbone.conv1.weight is skipped since its requires_grad=False', logger, logging.WARNING)
    print_log('paramwise_options -- backbone.lr=0.1', logger)
    logger.error('It failed.')
    assert capsys.readouterr().out.splitlines() == ['A table', 'WARNING: A file is missing.', 'ERROR: It failed.']
    text = (tmp_path / 'full.log').read_text()
    assert 'is skipped since' in text and 'paramwise_options' in text
