"""Reads the pages of the documentation: their code blocks, links, headings and commands."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from genvlkt_start import VERBS

ROOT = Path(__file__).resolve().parents[1]
#: Everything that people read, without generated pages.
PAGES = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md')])

_FENCE = re.compile(r'^(?:<!-- not run: (?P<why>.+?) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$', re.M | re.S)
_LINK = re.compile(r'\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)')


class Block(NamedTuple):
    """A fenced code block of a page.

    Attributes:
        language (str): Its language, e.g. ``'python'``; empty where the page names none.
        code (str): Its text.
        line (int): Line of the page that its text starts at.
        why_not_run (str | None): The reason in ``<!-- not run: ... -->`` above it.
    """

    language: str
    code: str
    line: int
    why_not_run: str | None


def read_blocks(page: Path, *languages: str) -> list[Block]:
    """Code blocks of a page, of some languages or of all."""
    text = page.read_text(encoding='utf-8')
    blocks = [
        Block(m['language'], m['code'], text.count('\n', 0, m.start('code')) + 1, m['why'])
        for m in _FENCE.finditer(text)
    ]
    return [block for block in blocks if not languages or block.language in languages]


def links(page: Path) -> list[str]:
    """Targets of the page's links and images."""
    return _LINK.findall(_FENCE.sub('', page.read_text(encoding='utf-8')).replace('`](', ']('))


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub and the site give to the page's headings."""
    found: set[str] = set()
    for heading in re.findall(r'^#+ (.+)$', _FENCE.sub('', page.read_text(encoding='utf-8')), re.M):
        text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).lower()
        slug = re.sub(r'[^\w\- ]', '', text).strip().replace(' ', '-')
        found.add(slug)
    return found


def commands(page: Path) -> list[str]:
    """Shell commands that the page shows, indented or fenced, without comments; continued lines are joined."""
    text = page.read_text(encoding='utf-8').replace('\\\n', ' ')
    lines = [line.strip().removeprefix('$ ') for line in text.splitlines()]
    verbs = '|'.join(verb for verb in VERBS if ' ' not in verb)
    shown = re.compile(rf'(python|bash) tools/|mim (train|test) |genvlkt ({verbs})\b')
    return [line.partition('  #')[0].strip() for line in lines if shown.match(line)]


def load_script(file: Path) -> ModuleType:
    """A script of docs/, imported with its folder on the path, as Python and MkDocs run it."""
    sys.path.insert(0, str(file.parent))
    try:
        spec = importlib.util.spec_from_file_location(f'docs_{file.stem}', file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(file.parent))
