"""Turns what docstrings write in Sphinx's manner into Markdown: roles such as ``:class:`GENHead``` and web links."""

import re

from griffe import AliasResolutionError, Extension, NameResolutionError, Object

_ROLE = re.compile(r':(?:class|func|meth|mod|attr|data|exc|obj):`(~?)\.?([\w.]+)`')
_WEB_LINK = re.compile(r'`([^`<]+?)\s*<(https?://[^>]+)>`_')


class SphinxRoles(Extension):
    """Griffe extension: cross-references become links where the name is one of this package, and code elsewhere."""

    def on_package(self, *, pkg, loader, **kwargs):
        """Rewrites the docstrings of a package once all of it is loaded."""
        self._visit(pkg, pkg)

    def _visit(self, obj: Object, package: Object) -> None:
        if obj.docstring is not None:
            text = _WEB_LINK.sub(lambda match: f'[{" ".join(match[1].split())}]({match[2]})', obj.docstring.value)
            text = _ROLE.sub(lambda match: self._link(obj, package, match[2]), text)
            obj.docstring.value = re.sub(r'::$', ':', text, flags=re.MULTILINE)
        for member in obj.members.values():
            if not member.is_alias:
                self._visit(member, package)

    @staticmethod
    def _link(obj: Object, package: Object, name: str) -> str:
        short = name.rpartition('.')[2] if name.startswith(package.path) else name
        candidates = [name]
        try:
            first, _, rest = name.partition('.')
            candidates.insert(0, obj.resolve(first) + (f'.{rest}' if rest else ''))
        except NameResolutionError:
            # A class that another module of the package exports under this name.
            candidates += [f'{member.path}.{name}' for member in package.members.values() if member.is_module]
        for candidate in candidates:
            try:
                target = package[candidate.removeprefix(f'{package.path}.')]
                target = target.final_target if target.is_alias else target
            except (KeyError, AliasResolutionError):
                continue
            if target.has_docstring:  # the pages show no others
                return f'[`{short}`][{target.path}]'
        return f'`{short}`'
