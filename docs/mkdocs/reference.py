"""The API reference: one page for each package, one section for each of its modules.

Everything is read from the sources, without importing them, so that the site builds where PyTorch is not installed.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

PACKAGE = 'genvlkt_mmdet'


class ReferencePage(NamedTuple):
    """A page of the reference.

    Attributes:
        title (str): Name of the package, relative to the top one.
        path (str): Path of the page on the site.
        text (str): Its Markdown.
    """

    title: str
    path: str
    text: str


def modules(root: Path) -> dict[str, Path]:
    """Every module of the package that is not private, by dotted name; packages are those of ``__init__.py``."""
    found = {}
    for file in sorted((root / PACKAGE).rglob('*.py')):
        parts = file.relative_to(root).with_suffix('').parts
        if any(part.startswith(('.', '_')) and part != '__init__' for part in parts):
            continue
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = file
    return found


def definitions(file: Path) -> dict[str, str]:
    """Public functions and classes that a module defines, each with the first line of its docstring."""
    tree = ast.parse(file.read_text(encoding='utf-8'))
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith('_')]
    lines = {node.name: (ast.get_docstring(node) or '').partition('\n')[0] for node in nodes}
    return {name: re.sub(r':\w+:`~?([\w.]+)`', r'`\1`', line) for name, line in lines.items()}


def public_names(root: Path) -> list[str]:
    """Dotted names of all public functions and classes, at the module that defines them."""
    return [f'{module}.{name}' for module, file in modules(root).items() for name in definitions(file)]


def reference_pages(root: Path) -> list[ReferencePage]:
    """All pages: an overview, and one page for each package.

    Args:
        root (Path): Root of the repository.

    Returns:
        list[ReferencePage]: The pages in the order of the navigation.
    """
    found = modules(root)
    packages = [name for name, file in found.items() if file.name == '__init__.py']
    pages, overview = (
        [],
        ['# API reference', '', f'Every public function and class of `{PACKAGE}`, package by package.', ''],
    )
    for package in packages:
        members = [
            name for name in found if name == package or (name.rpartition('.')[0] == package and name not in packages)
        ]
        members = [name for name in members if definitions(found[name])]
        if not members:
            continue
        short = package.removeprefix(f'{PACKAGE}.')
        path = f'reference/{short}.md'
        text = [f'# `{package}`', '']
        introduction = ast.get_docstring(ast.parse(found[package].read_text(encoding='utf-8')))
        if introduction and package not in members:
            text += [introduction, '']
        overview += [f'## [`{short}`]({path.rpartition("/")[2]})', '']
        for name in members:
            text += [f'::: {name}', '']
            overview += [
                f'- [`{item}`][{name}.{item}]: {line}' if line else f'- [`{item}`][{name}.{item}]'
                for item, line in definitions(found[name]).items()
            ]
        overview.append('')
        pages.append(ReferencePage(short, path, '\n'.join(text)))
    return [ReferencePage('Overview', 'reference/index.md', '\n'.join(overview)), *pages]
