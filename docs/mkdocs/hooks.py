"""Hooks of the documentation site: its links, its API reference and its last check.

The pages are written for people who read them in the repository. A link such as ``../configs/gen_vlkt_s_hico.py`` works
there, but not on the site, which holds ``docs/`` only. So the site gets one page more for each file outside ``docs/`` that
some page links to, and the links are rewritten to that page.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from reference import PACKAGE, public_names, reference_pages

ROOT = Path(__file__).resolve().parents[2]
DOCS = 'docs'
_LINK = re.compile(r'(?<=\]\()([^)\s]+)(?=\))')
_FENCE = re.compile(r'^( *)(```+|~~~+).*?^\1\2 *$', re.MULTILINE | re.DOTALL)
_LANGUAGES = {'.py': 'python', '.sh': 'bash', '.yml': 'yaml', '.yaml': 'yaml', '.json': 'json', '.toml': 'toml'}
_LOADED = re.compile(
    r'<(?:script|img|iframe|source)[^>]*\ssrc="(https?:)?//|<link[^>]*\shref="(https?:)?//[^>]*stylesheet'
)


def outside(page: str, target: str) -> str | None:
    """Path in the repository of what a page links to, when that lies outside ``docs/``.

    Args:
        page (str): Path of the page in the repository, e.g. ``'docs/train.md'``.
        target (str): Target of the link, e.g. ``'../configs/gen_vlkt_s_hico.py'``.

    Returns:
        str | None: ``'configs/gen_vlkt_s_hico.py'``; None for addresses, anchors and pages inside ``docs/``.
    """
    if re.match(r'[a-z]+:|#|/', target):
        return None
    path = normpath(PurePosixPath(page).parent / target.partition('#')[0])
    return None if path == DOCS or path.startswith(f'{DOCS}/') or path.startswith('..') else path


def site_page(path: str) -> str:
    """Where the site has the page of a file outside ``docs/``."""
    return path.lower() if path.endswith('.md') else f'source/{path}.md'


def source_page(path: str) -> str:
    """Markdown of the page that shows a file or a folder of the repository."""
    file = ROOT / path
    if file.is_dir():
        names = sorted(
            f'{p.name}/' if p.is_dir() else p.name for p in file.iterdir() if not p.name.startswith(('.', '_'))
        )
        return f'# {path}/\n\n' + '\n'.join(f'- `{name}`' for name in names) + '\n'
    text = file.read_text(encoding='utf-8')
    if file.suffix == '.md':
        return text
    return f'# {path}\n\n``````{_LANGUAGES.get(file.suffix, "text")}\n{text.rstrip()}\n``````\n'


def links(text: str) -> list[str]:
    """Targets of the links of a page; code blocks and code spans have none."""
    return _LINK.findall(re.sub(r'`[^`\n]*`', lambda span: span[0].replace('](', '  '), _FENCE.sub('', text)))


def on_config(config):
    """Anchors as GitHub makes them, and the API reference at the end of the navigation."""
    from pymdownx.slugs import slugify

    config.mdx_configs.setdefault('toc', {})['slugify'] = slugify(case='lower')
    config.nav.append({'API reference': [{page.title: page.path} for page in reference_pages(ROOT)]})
    return config


def on_files(files, config):
    """Adds the pages of the API reference and of the linked files outside ``docs/``."""
    from mkdocs.structure.files import File

    for page in reference_pages(ROOT):
        files.append(File.generated(config, page.path, content=page.text))
    queue = [f'{DOCS}/{file.src_uri}' for file in files.documentation_pages() if not file.generated_by]
    linked: set[str] = set()
    while queue:
        page = queue.pop()
        for target in links((ROOT / page).read_text(encoding='utf-8')):
            path = outside(page, target)
            if path is not None and path not in linked and (ROOT / path).exists():
                linked.add(path)
                if path.endswith('.md'):
                    queue.append(path)
    named = {entry for group in config.nav for entry in _nav_paths(group)}
    for path in sorted(linked):
        file = File.generated(config, site_page(path), content=source_page(path))
        file.repository_path = path
        if file.src_uri not in named:
            file.inclusion = file.inclusion.NOT_IN_NAV
        files.append(file)
    return files


def _nav_paths(entry) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    values = entry.values() if isinstance(entry, dict) else entry
    return [path for value in values for path in _nav_paths(value)]


def on_page_markdown(markdown, page, config, files):
    """Rewrites links that leave ``docs/``, and those of pages that are outside it. The home page has no side bar."""
    here = page.file.src_uri
    if page.is_homepage:
        page.meta['hide'] = ['navigation']
    origin = getattr(page.file, 'repository_path', None if here.startswith('reference/') else f'{DOCS}/{here}')
    if origin is None:
        return markdown

    def rewrite(match: re.Match) -> str:
        target = match[0]
        path = outside(origin, target)
        if path is None:
            if origin.startswith(f'{DOCS}/') or re.match(r'[a-z]+:|#|/', target):
                return target
            path, anchor = normpath(PurePosixPath(origin).parent / target.partition('#')[0]), target.partition('#')[2]
            path = path.removeprefix(f'{DOCS}/')
        else:
            path, anchor = site_page(path), target.partition('#')[2]
        return relpath(path, PurePosixPath(here).parent) + (f'#{anchor}' if anchor else '')

    if not origin.endswith('.md'):
        return markdown
    return _LINK.sub(rewrite, markdown)


def on_post_build(config):
    """Warns, which fails a strict build, when a public name has no entry or a page loads something from elsewhere."""
    import logging

    log = logging.getLogger('mkdocs.hooks.genvlkt')
    site = Path(config.site_dir)
    html = {path: path.read_text(encoding='utf-8') for path in site.rglob('*.html')}
    anchors = {name for text in html.values() for name in re.findall(rf'id="({PACKAGE}[\w.]*)"', text)}
    for name in sorted(set(public_names(ROOT)) - anchors):
        log.warning('The API reference lacks %s.', name)
    for path, text in html.items():
        for found in _LOADED.finditer(text):
            log.warning('%s loads something from another server: %s', path.relative_to(site), found[0])
