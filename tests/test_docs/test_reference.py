"""The API reference has every public function and class; the site's links to files outside docs/ work."""

import importlib
import inspect
import re

import pytest

from tests.docs_pages import ROOT, load_script

REFERENCE = load_script(ROOT / 'docs' / 'mkdocs' / 'reference.py')
HOOKS = load_script(ROOT / 'docs' / 'mkdocs' / 'hooks.py')
PACKAGES = [name for name, file in REFERENCE.modules(ROOT).items() if file.name == '__init__.py']


ENTRIES = set(REFERENCE.public_names(ROOT))
#: Modules that the pages of the reference show.
SHOWN = {name for page in REFERENCE.reference_pages(ROOT) for name in re.findall(r'^::: ([\w.]+)$', page.text, re.M)}


@pytest.mark.parametrize('package', PACKAGES)
def test_every_name_in_all_is_in_the_reference(package):
    module = importlib.import_module(package)
    for name in getattr(module, '__all__', ()):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert f'{value.__module__}.{value.__qualname__}' in ENTRIES
            assert value.__module__ in SHOWN


def test_every_public_function_and_class_has_a_page_and_a_docstring():
    assert {name.rpartition('.')[0] for name in ENTRIES} == SHOWN
    lines = {
        f'{m}.{n}': line for m, f in REFERENCE.modules(ROOT).items() for n, line in REFERENCE.definitions(f).items()
    }
    assert not [name for name, line in lines.items() if not line]


@pytest.mark.parametrize(
    ('page', 'target', 'path'),
    [
        ('docs/train.md', '../configs/gen_vlkt_s_hico.py', 'configs/gen_vlkt_s_hico.py'),
        ('docs/train.md', '../configs', 'configs'),
        ('docs/train.md', 'install.md#as-a-user', None),
        ('docs/train.md', '#test', None),
        ('docs/train.md', 'https://example.org/x', None),
        ('CONTRIBUTING.md', 'docs/minihoi.md', None),
        ('CONTRIBUTING.md', 'CHANGELOG.md', 'CHANGELOG.md'),
    ],
)
def test_links_out_of_docs(page, target, path):
    assert HOOKS.outside(page, target) == path


def test_pages_of_sources():
    assert HOOKS.site_page('CONTRIBUTING.md') == 'contributing.md'
    assert HOOKS.site_page('configs/gen_vlkt_s_hico.py') == 'source/configs/gen_vlkt_s_hico.py.md'
    text = HOOKS.source_page('configs/gen_vlkt_s_hico.py')
    assert (
        text.startswith('# configs/gen_vlkt_s_hico.py\n')
        and (ROOT / 'configs/gen_vlkt_s_hico.py').read_text().rstrip() in text
    )
    assert '- `gen_vlkt_s_hico.py`' in HOOKS.source_page('configs')
