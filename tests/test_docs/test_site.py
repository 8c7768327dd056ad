"""The environment of the documentation site and its settings."""

import yaml
from packaging.requirements import Requirement
from setuptools.config.setupcfg import read_configuration

from tests.docs_pages import ROOT


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / 'requirements' / file).read_text().splitlines()
    return dict(line.lower().replace('_', '-').split('==') for line in lines if line and not line.startswith('#'))


def test_pins_lie_in_the_ranges_of_the_extra():
    pinned = pins('docs.txt')
    extra = read_configuration(ROOT / 'setup.cfg')['options']['extras_require']['docs']
    for requirement in map(Requirement, extra):
        assert requirement.specifier.contains(pinned[requirement.name]), requirement
    assert pinned['ruff'] == pins('pinned.txt')['ruff']  # signatures look like the sources
    assert 'torch' not in pinned


def test_site_asks_no_other_server_and_is_strict_about_links():
    config = yaml.safe_load((ROOT / 'mkdocs.yml').read_text())
    assert config['theme']['font'] is False and 'extra_javascript' not in config
    assert set(config['validation'].values()) == {'warn'}
    makefile = (ROOT / 'Makefile').read_text()
    assert 'mkdocs build --strict' in makefile and 'make docs ' in makefile
