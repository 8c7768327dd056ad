"""The command ``genvlkt``: its help, its verbs and their twins in tools/."""

import ast
import importlib
import os
import re
import resource
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from genvlkt_mmdet.cli import run_verb, verb_parser
from genvlkt_mmdet.version import __version__
from genvlkt_start import VERBS, find_verb, main

REPO = Path(__file__).parents[2]
LEAVES = [verb for verb in VERBS if not any(other.startswith(f'{verb} ') for other in VERBS)]
TWINS = {
    file.relative_to(REPO).as_posix(): found[1]
    for file in sorted(REPO.glob('tools/**/*.py'))
    if (found := re.search(r"^    start\('(.+)'\)$", file.read_text(), re.M))
}


def ended(capsys, *words):
    """Exit code, output and errors of a command line that ends without a verb."""
    with pytest.raises(SystemExit) as end:
        find_verb(words)
    return end.value.code, *capsys.readouterr()


def test_help_fits_on_a_screen_and_needs_no_torch():
    code = (
        'import sys, genvlkt_start\n'
        'sys.argv = ["genvlkt", "--help"]\n'
        'try:\n    genvlkt_start.main()\n'
        'finally:\n    print(*{"torch", "numpy", "mmengine", "genvlkt_mmdet"} & set(sys.modules), file=sys.stderr)'
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True, cwd=REPO)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stderr.strip() == ''
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5  # seconds
    lines = done.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    for verb, text in VERBS.items():
        assert (f'  {verb:<11}{text}' in lines) == (' ' not in verb)


def test_groups_show_their_verbs(capsys):
    assert ended(capsys) == ended(capsys, '--help') == ended(capsys, '-h')
    code, shown, _ = ended(capsys, 'data')
    assert code == 0 and 'genvlkt data VERB' in shown and VERBS['data check'] in shown and 'train ' not in shown
    assert ended(capsys, '--version') == (0, f'genvlkt {__version__}\n', '')
    assert find_verb(['data', 'check', '--help', 'x']) == ('data check', ['--help', 'x'])


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['inferr', 'a.jpg'], "error: genvlkt has no verb 'inferr': did you mean 'infer'?"),
        (['data', 'chekc'], "error: genvlkt data has no verb 'chekc': did you mean 'check'?"),
        (['qqq'], "error: genvlkt has no verb 'qqq': it has demo, infer, "),
        (['a.jpg'], "error: genvlkt has no verb 'a.jpg': it has demo, infer, "),
        ([''], "error: genvlkt has no verb '': it has demo, infer, "),
    ],
)
def test_unknown_verbs(capsys, words, sentence):
    code, shown, error = ended(capsys, *words)
    assert code == 2 and shown == '' and error.startswith(sentence) and error.count('\n') == 1
    assert ended(capsys, '-q')[0] == 2


@pytest.mark.parametrize('verb', LEAVES)
def test_every_verb_has_options_and_examples(verb):
    module = importlib.import_module(f'genvlkt_mmdet.cli.{verb.replace(" ", ".").replace("-", "_")}')
    first, examples = module.__doc__.split('\n\n', 1)
    assert first.endswith('.') and 'Example' in examples
    shown = [
        line.strip() for line in module.__doc__.replace('\\\n', '').splitlines() if line.startswith('    genvlkt ')
    ]
    assert any(line.startswith(f'genvlkt {verb}') for line in shown)
    for line in shown:
        name, arguments = find_verb(line.partition('  #')[0].replace("'", '').split()[1:])
        verb_parser(name).parse_args(arguments)  # ends the program if it cannot be read
    text = verb_parser(verb, f'genvlkt {verb}').format_help()
    assert f'usage: genvlkt {verb} ' in text and first.split('\n')[0] in text and examples.strip() in text


def test_every_module_is_a_verb():
    folder = REPO / 'genvlkt_mmdet' / 'cli'
    modules = {file.relative_to(folder).with_suffix('') for file in folder.rglob('*.py') if file.stem != '__init__'}
    found = {
        ' '.join(path.parts).replace('_', '-')
        for path in modules
        if 'def run(' in (folder / path.with_suffix('.py')).read_text()
    }
    assert found == set(LEAVES)


def test_twins():
    assert {'tools/train.py', 'tools/test.py', 'tools/infer.py', 'tools/demo.py', 'tools/eval_results.py'} <= set(TWINS)
    assert set(TWINS.values()) <= set(LEAVES)


@pytest.mark.parametrize('tool', ['tools/infer.py', 'tools/dataset_converters/hico_det.py'])
def test_a_twin_is_its_verb(tool, monkeypatch, capsys):
    shown = []
    for argv, call in (
        ([tool, '--help'], lambda: runpy.run_path(str(REPO / tool), run_name='__main__')),
        (['genvlkt', *TWINS[tool].split(), '--help'], main),
    ):
        monkeypatch.setattr(sys, 'argv', argv)
        with pytest.raises(SystemExit) as end:
            call()
        assert end.value.code == 0
        shown.append(capsys.readouterr().out)
    names = (Path(tool).name, f'genvlkt {TWINS[tool]}')
    options = [' '.join(text.replace(f'usage: {name}', 'usage:').split()) for name, text in zip(names, shown)]
    assert options[0] == options[1]


def test_exit_codes_of_a_verb(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for words, code, message in (
        (['convert', 'hico', 'none'], 1, 'error: '),
        (['convert', 'hico'], 2, 'usage: genvlkt convert hico'),
        (['convert', 'hico', ''], 2, "error: a value of the command line is empty: after 'hico'."),
        (['convert', 'hico', 'x', '--merge-iou', '2'], 2, 'argument --merge-iou: 2 is not from 0 to 1'),
    ):
        monkeypatch.setattr(sys, 'argv', ['genvlkt', *words])
        with pytest.raises(SystemExit) as end:
            main()
        text = end.value.code if isinstance(end.value.code, str) else capsys.readouterr().err
        assert (1 if isinstance(end.value.code, str) else end.value.code) == code and message in text, words


def test_no_option_is_declared_twice():
    """An option with the same help in two verbs would belong in a function of both."""
    found = Counter()
    for file in (REPO / 'genvlkt_mmdet').rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'add_argument':
                found[ast.unparse(node)] += node.args[0].value.startswith('--')
    assert sum(found.values()) > 50
    assert [option for option, number in found.items() if number > 1] == []


def test_openmp_is_told_before_torch_is_loaded():
    code = (
        'import os, runpy, sys\n'
        'class Watch:\n'
        '    def find_spec(self, name, *rest):\n'
        '        if name == "torch":\n'
        '            print(os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))\n'
        '            raise SystemExit\n'
        'sys.meta_path.insert(0, Watch())\n'
        'sys.argv = sys.argv[1:]\n'
        'runpy.run_path(sys.argv[0], run_name="__main__")\n'
    )
    for file in ('tools/train.py', 'tools/train_tiny_clip.py', 'genvlkt_start.py'):
        command = [sys.executable, '-c', code, file, 'test', 'config.py', 'checkpoint.pth']
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=REPO, env=_without_policy(REPO / 'tools')
        )
        assert done.stdout.split() == ['PASSIVE', '20000'], file


def _without_policy(*folders):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(('OMP_', 'GOMP_'))}
    return dict(kept, PYTHONPATH=os.pathsep.join(map(str, (REPO, *folders))))


def test_run_verb_without_the_command_line(tmp_path):
    """As a notebook could call it."""
    with pytest.raises(SystemExit, match=r'^error: .*none'):
        run_verb('convert hico', [str(tmp_path / 'none')])
