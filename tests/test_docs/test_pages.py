"""What pages point to exists: links, anchors, commands with their options, messages, figures."""

import ast
import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from genvlkt_mmdet.cli import verb_parser
from genvlkt_start import find_verb
from tests.docs_pages import PAGES, ROOT, anchors, commands, links, load_script

DOCS = ROOT / 'docs'
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize('name', NAMES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    for target in links(page):
        if re.match(r'[a-z]+:', target):
            continue
        path, _, anchor = target.partition('#')
        file = (page.parent / path).resolve() if path else page
        assert file.exists() and file.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_in_the_index_and_in_the_navigation():
    pages = {page.name for page in DOCS.glob('*.md')} - {'README.md'}
    assert pages <= set(links(DOCS / 'README.md'))
    nav = yaml.safe_load((ROOT / 'mkdocs.yml').read_text())['nav']
    listed = [path for group in nav for entry in group.values() for path in _paths(entry)]
    assert len(listed) == len(set(listed))
    assert pages | {'README.md'} == {path for path in listed if (DOCS / path).is_file()}
    assert set(listed) - pages == {'README.md', 'contributing.md', 'changelog.md'}


def _paths(entry) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for value in entry.values() if isinstance(entry, dict) else entry:
            yield from _paths(value)


@pytest.mark.parametrize('name', [name for name in NAMES if commands(ROOT / name)])
def test_commands_name_tools_options_and_configs_that_exist(name):
    for command in commands(ROOT / name):
        words = shlex.split(command)
        assert all((ROOT / word).is_file() for word in words if word.startswith('configs/')), command
        if words[0] == 'genvlkt':
            verb, arguments = find_verb(words[1:])
            verb_parser(verb).parse_args(arguments)  # ends the program if it cannot be read
            continue
        tool = ROOT / (f'tools/{words[1]}.py' if words[0] == 'mim' else words[1])
        assert tool.is_file(), command
        if tool.suffix == '.sh':  # hands its options on
            tool = ROOT / 'tools' / f'{tool.stem.removeprefix("dist_")}.py'
        known = tool.read_text()
        if verb := re.search(r"start\('(.+)'\)", known):
            known = verb_parser(verb[1]).format_help()
        for word in words[2:]:
            if word.startswith('--'):
                assert word == '--checkpoint' and words[0] == 'mim' or re.search(rf'(?<![\w-]){word}\b', known), command


def messages() -> Iterator[str]:
    """All texts of the package's sources, with an ellipsis for each value."""
    for file in (ROOT / 'genvlkt_mmdet').rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield ''.join(part.value if isinstance(part, ast.Constant) else '…' for part in node.values)


def test_messages_are_those_of_the_package():
    quoted = re.findall(r'^> (.+)$', (DOCS / 'troubleshooting.md').read_text(), re.M)
    assert len(quoted) > 15
    known = set(messages())
    for message in quoted:
        pattern = re.compile('.*'.join(map(re.escape, message.split('…'))), re.S)
        assert any(pattern.fullmatch(text) for text in known), message


def test_figures_and_table_show_what_is_there():
    draw, places = load_script(DOCS / 'figures' / 'draw.py'), load_script(DOCS / 'figures' / 'places.py')
    for file, name in places.PLACES.values():
        names: list[str] = []
        for node in ast.walk(ast.parse((ROOT / 'genvlkt_mmdet' / file).read_text())):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                names.append(node.name)
            elif isinstance(node, ast.AnnAssign):
                names.append(node.target.id if isinstance(node.target, ast.Name) else '')
        assert set(name.split('.')) <= set(names), (file, name)
    page = (DOCS / 'how_it_works.md').read_text()
    assert draw.with_table(page) == page, 'run `python docs/figures/draw.py`'
    for name, figure in draw.FIGURES.items():
        svg = (DOCS / 'images' / f'{name}.svg').read_text()
        assert draw.description(figure()) in svg, f'{name}.svg is out of date: run `python docs/figures/draw.py`'


def test_lines_of_the_issue_are_found_by_name():
    """The table of how_it_works.md answers what a newcomer looks for."""
    table = (DOCS / 'how_it_works.md').read_text().partition('## Where is what')[2]
    for question in (
        'score of a triplet',
        'matching cost',
        'mimic loss',
        'AP of HICO-DET',
        'Scenario 2',
        'prompt of an HOI',
    ):
        assert question in table
    assert "HICO-DET's release" in table and 'Drawing a pair' in table
