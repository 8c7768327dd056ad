"""The CLIP model that a config names in its ``clip`` setting: its weights, tokenizer and fingerprint."""

import hashlib
import io
import json
import logging
import os
import pickle
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genvlkt_mmdet.assets import SCHEME, asset_path

from ...files import write_file

_KEYS = ('model_name', 'pretrained', 'text_embeddings')
_CONFIG = 'open_clip_config.json'
_WEIGHTS = ('.safetensors', '.bin', '.pth', '.pt')
_FOLDER_SCHEME = 'local-dir:'
_HUB_NAMES = ('open_clip_model.safetensors', 'open_clip_pytorch_model.safetensors', 'open_clip_pytorch_model.bin')


@dataclass(frozen=True)
class CLIPSource:
    """Where a CLIP model comes from. Nothing is loaded yet.

    Attributes:
        model_name (str, optional): Name of an open_clip architecture. None with a ``folder``, whose config describes it.
        pretrained (str, optional): Weights tag of open_clip, e.g. ``'openai'``. None with a weights file.
        folder (Path, optional): Folder with ``open_clip_config.json``, weights and, if it is not the standard one, the
            vocabulary of the tokenizer.
        weights (Path, optional): Local weights file. None for a tag.
        text_embeddings (Path, optional): File with text embeddings computed earlier. None uses the cache folder.
    """

    model_name: str | None
    pretrained: str | None
    folder: Path | None
    weights: Path | None
    text_embeddings: Path | None

    @classmethod
    def from_cfg(cls, clip: 'Mapping[str, Any] | str | CLIPSource') -> 'CLIPSource':
        """Reads the ``clip`` setting.

        Args:
            clip (Mapping | str | CLIPSource): ``dict(model_name='ViT-B-32-quickgelu', pretrained='openai')`` for a
                weights tag of open_clip. ``pretrained`` can also be a weights file or a folder. A folder that contains
                ``open_clip_config.json`` (or ``'genvlkt://<name>'``, a shipped one) is enough as ``model_name``, as
                ``pretrained`` or as the whole setting. ``text_embeddings`` names a file of
                :func:`~genvlkt_mmdet.models.vlkt.save_text_embeddings`.

        Returns:
            CLIPSource: The source.

        Raises:
            TypeError: If the setting has an unknown key.
            ValueError: If model or weights are not named.
            FileNotFoundError: If a named file or folder does not exist, or a folder is incomplete.
        """
        if isinstance(clip, CLIPSource):
            return clip
        if isinstance(clip, str):
            clip = dict(model_name=clip)
        unknown = sorted(set(clip) - set(_KEYS))
        if unknown:
            raise TypeError(f"Unknown key '{unknown[0]}' in the 'clip' setting; it takes: {', '.join(_KEYS)}.")
        given = {key: str(value) for key, value in clip.items() if value is not None}
        embeddings = _resolve(given['text_embeddings']) if 'text_embeddings' in given else None
        named = {key: given[key] for key in ('pretrained', 'model_name') if key in given}
        for key, value in named.items():
            # A scheme such as 'genvlkt://' is looked up below.
            is_path = ':' not in value and ('/' in value or os.sep in value or value.endswith(_WEIGHTS))
            if is_path and not _resolve(value).exists():
                raise FileNotFoundError(f"'{value}', named as '{key}' in the 'clip' setting, does not exist.")
        for value in named.values():
            if _is_model_folder(value):
                folder = _resolve(value)
                # A tag such as 'openai' stays where a config is inherited, but weights in a file were meant.
                other = named.get('pretrained', value)
                if value is not other and _resolve(other).is_file():
                    raise ValueError(
                        f"The folder '{value}', named as 'model_name' in the 'clip' setting, has weights of its own: leave out "
                        f"'pretrained', which is '{named['pretrained']}'."
                    )
                return cls(None, None, folder, _weights_in(folder), embeddings)
        if not (name := named.get('model_name')) or not (pretrained := named.get('pretrained')):
            raise ValueError(
                "The 'clip' setting needs 'model_name' (an open_clip architecture) and 'pretrained' (its weights: a tag, "
                f'a file or a folder), or one folder that holds {_CONFIG}.'
            )
        weights = _resolve(pretrained)
        if weights.is_dir():
            weights = _weights_in(weights)
        if weights.is_file():
            return cls(name, None, None, weights, embeddings)
        return cls(name, pretrained, None, None, embeddings)

    @property
    def label(self) -> str:
        """Readable name, the same on every machine, e.g. ``'ViT-B-32-quickgelu/openai'``."""
        if self.folder is not None:
            return self.folder.name
        return f'{self.model_name}/{self.pretrained or self.weights.stem}'

    def config(self) -> dict[str, Any]:
        """Content of the folder's ``open_clip_config.json``."""
        return json.loads((self.folder / _CONFIG).read_text(encoding='utf-8'))

    def local_weights(self) -> Path | None:
        """The weights file, if it is on this machine. Never uses the network."""
        return self.weights if self.weights is not None else _downloaded_weights(self.model_name, self.pretrained)

    def fingerprint(self) -> str | None:
        """SHA-256 of weights, architecture and tokenizer vocabulary. None if the weights are not on this machine."""
        weights = self.local_weights()
        if weights is None:
            return None
        files = [weights]
        if self.folder is not None:
            files += sorted(p for p in self.folder.iterdir() if p.is_file() and p.suffix in ('.json', '.gz', '.txt'))
        digest = hashlib.sha256((self.model_name or '').encode())
        for path in files:
            digest.update(_file_sha256(str(path), path.stat().st_mtime_ns, path.stat().st_size).encode())
        return digest.hexdigest()

    def need_weights(self) -> None:
        """Checks that the weights are on this machine or can be downloaded, without downloading them.

        Raises:
            FileNotFoundError: If neither is possible. open_clip itself would try for most of a minute.
            ValueError: If open_clip has no such weights.
        """
        if self.local_weights() is not None:
            return
        import open_clip

        _check_architecture(self.model_name)
        tags = open_clip.list_pretrained_tags_by_model(self.model_name)
        if self.pretrained.lower().replace('-', '_') not in tags:
            raise ValueError(
                f"open_clip has no weights '{self.pretrained}' for '{self.model_name}', and there is no such file; "
                f'it has: {", ".join(tags) or "none"}.'
            )
        if not _can_be_fetched(_addresses(self.model_name, self.pretrained)):
            raise FileNotFoundError(self._what_to_bring())

    def load_model(self) -> nn.Module:
        """Loads the ``open_clip`` model with its weights: float32, on the CPU, in eval mode, without gradients.

        Raises:
            FileNotFoundError: If the weights of a tag are not on this machine and cannot be downloaded.
            ValueError: If the architecture is unknown or the weights belong to another one.
        """
        with _quiet():
            return self._create().eval().requires_grad_(False)

    def build_image_encoder(self) -> nn.Module:
        """Makes the image encoder of the model with random weights. No file of weights is read or needed.

        Raises:
            ValueError: If the architecture is unknown.
        """
        import open_clip
        from open_clip.model import _build_vision_tower

        if self.folder is None:
            _check_architecture(self.model_name)
        model_cfg = open_clip.get_model_config(self.model_name) if self.folder is None else self.config()['model_cfg']
        return _build_vision_tower(model_cfg['embed_dim'], model_cfg['vision_cfg'], model_cfg.get('quick_gelu', False))

    def load_tokenizer(self) -> Callable[[Sequence[str]], Tensor]:
        """Loads the model's own tokenizer: from N texts to tokens (N, context length), int64.

        Raises:
            ValueError: If the config of a folder asks to run code of a tokenizer.
        """
        import open_clip

        with _quiet():
            if self.folder is None:
                return open_clip.get_tokenizer(self.model_name)
            options = self.config()['model_cfg'].get('text_cfg', {}).get('tokenizer_kwargs') or {}
            if 'trust_remote_code' in options:
                raise ValueError(
                    f"The CLIP folder '{self.folder}' is refused: its {_CONFIG} asks to run code of a tokenizer "
                    '(trust_remote_code).'
                )
            bpe = options.get('bpe_path')
            # open_clip would read a relative path from the working directory.
            kwargs = {} if bpe is None else dict(bpe_path=str(self.folder / bpe))
            return open_clip.get_tokenizer(f'{_FOLDER_SCHEME}{self.folder}', **kwargs)

    def _create(self) -> nn.Module:
        import open_clip

        try:
            if self.folder is not None:
                return open_clip.create_model(f'{_FOLDER_SCHEME}{self.folder}')
            _check_architecture(self.model_name)
            if self.weights is not None:
                if not _is_torchscript(self.weights):
                    return open_clip.create_model(self.model_name, pretrained=str(self.weights))
                model = open_clip.create_model(self.model_name, load_weights=False)
                model.load_state_dict(_torchscript_weights(self.weights))
                return model
        except (OSError, ValueError, MemoryError):
            raise
        except (pickle.UnpicklingError, EOFError) as error:
            raise ValueError(
                f"'{self.weights}' is no file of weights, or is damaged: download or copy it again."
            ) from error
        except Exception as error:  # the loaders of torch and safetensors raise almost anything
            # torch lists every key. The first one, on the second line, is enough.
            lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise ValueError(
                f"'{self.weights}' does not fit the CLIP model '{self.label}': {lines[:2][-1][:300]}"
            ) from error
        self.need_weights()
        try:
            return open_clip.create_model(self.model_name, pretrained=self.pretrained)
        except (RuntimeError, OSError) as error:
            raise FileNotFoundError(self._what_to_bring()) from error

    def _what_to_bring(self) -> str:
        return (
            f"The weights '{self.pretrained}' of the CLIP model '{self.model_name}' are not on this machine and cannot be "
            f'downloaded: on a machine with network run `python tools/extract_text_embeddings.py --model '
            f'{self.model_name} --pretrained {self.pretrained} --save-model clip_model`, bring the folder clip_model '
            f"here and set clip=dict(pretrained='clip_model')."
        )


def image_transform(clip: Mapping[str, Any] | str | CLIPSource) -> dict[str, Any]:
    """Returns the image preprocessing of a CLIP model. Weights are not loaded.

    Args:
        clip (Mapping | str | CLIPSource): The ``clip`` setting.

    Returns:
        dict: ``size`` (side of the square input in pixels), ``mean`` and ``std`` (RGB, of values in [0, 1]), ``interpolation``.

    Raises:
        ValueError: If the architecture is unknown.
    """
    import open_clip
    from open_clip.transform import PreprocessCfg

    source = CLIPSource.from_cfg(clip)
    if source.folder is not None:
        config = source.config()
        model_cfg, extra = config['model_cfg'], config.get('preprocess_cfg', {})
    else:
        _check_architecture(source.model_name)
        model_cfg = open_clip.get_model_config(source.model_name)
        extra = open_clip.get_pretrained_cfg(source.model_name, source.pretrained) if source.pretrained else {}
    default = PreprocessCfg()
    size = model_cfg['vision_cfg'].get('image_size', default.size)
    return dict(
        size=size if isinstance(size, int) else size[0],
        mean=tuple(extra.get('mean') or default.mean),
        std=tuple(extra.get('std') or default.std),
        interpolation=extra.get('interpolation') or default.interpolation,
    )


def save_clip_model(folder: str | Path, clip: Mapping[str, Any] | str | CLIPSource) -> None:
    """Writes a CLIP model to a folder, for a machine without network. There, the folder is a whole ``clip`` setting.

    Args:
        folder (str | Path): Folder to write. It is created if missing.
        clip (Mapping | str | CLIPSource): The ``clip`` setting of the model.

    Raises:
        FileNotFoundError: If the weights are not on this machine and cannot be downloaded.
        ValueError: If the tokenizer needs files that such a folder does not contain.
    """
    import open_clip
    from safetensors.torch import save

    source, folder = CLIPSource.from_cfg(clip), Path(folder)
    if source.folder is not None:
        for file in filter(Path.is_file, source.folder.rglob('*')):
            write_file(folder / file.relative_to(source.folder), file.read_bytes())
        return
    config = open_clip.get_model_config(source.model_name)
    text_cfg = {} if config is None else config['text_cfg']
    if {'hf_tokenizer_name', 'hf_model_name'} & set(text_cfg) or 'siglip' in source.model_name.lower():
        raise ValueError(
            f"'{source.model_name}' has a tokenizer that must be downloaded: bring the folder of its Hugging Face "
            'repository instead and name it in the clip setting.'
        )
    model = source.load_model()
    preprocess = {key: value for key, value in image_transform(source).items() if key != 'size'}
    write_file(folder / _CONFIG, json.dumps(dict(model_cfg=config, preprocess_cfg=preprocess), indent=2).encode())
    state = {k: v.contiguous().clone() for k, v in model.state_dict().items()}
    write_file(folder / 'open_clip_model.safetensors', save(state))


def _resolve(value: str) -> Path:
    if value.startswith(SCHEME):
        return asset_path(value)
    return Path(value.removeprefix(_FOLDER_SCHEME)).expanduser()


def _is_model_folder(value: str) -> bool:
    path = _resolve(value)
    if value and (path / _CONFIG).is_file():
        return True
    if value.startswith((SCHEME, _FOLDER_SCHEME)):
        raise FileNotFoundError(f"The folder '{path}', named in the 'clip' setting, holds no {_CONFIG}.")
    return False


def _weights_in(folder: Path) -> Path:
    found = [path for path in folder.iterdir() if path.suffix in _WEIGHTS]
    if not found:
        raise FileNotFoundError(
            f"The folder '{folder}', named in the 'clip' setting, holds no weights file ({', '.join(_WEIGHTS)})."
        )
    names = ('open_clip_model', 'model')
    return min(found, key=lambda path: (path.stem not in names, _WEIGHTS.index(path.suffix), path.name))


def _hub_files(cfg: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Repository and name of the files on the Hugging Face Hub that can hold the weights of a tag."""
    repo, name = os.path.split(cfg.get('hf_hub') or '')
    return [(repo, name) for name in ([name] if name else _HUB_NAMES)] if repo else []


def _downloaded_weights(model_name: str, tag: str) -> Path | None:
    """File to which open_clip has downloaded the weights of a tag."""
    import open_clip
    from huggingface_hub import try_to_load_from_cache

    cfg = open_clip.get_pretrained_cfg(model_name, tag)
    candidates: list[Any] = [try_to_load_from_cache(*file) for file in _hub_files(cfg)]
    if cfg.get('url'):
        candidates.append(os.path.expanduser(f'~/.cache/clip/{os.path.basename(cfg["url"])}'))
    return next((Path(path) for path in candidates if isinstance(path, str) and os.path.isfile(path)), None)


@lru_cache(maxsize=64)
def _file_sha256(path: str, mtime: int, size: int) -> str:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, OpenAI's own format of the weights."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith('/constants.pkl') for name in archive.namelist())


class _Part:
    """Replaces every class of a TorchScript archive. Holds the stored attributes and runs no code of the archive."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise ValueError('A part of the archive stores something else than its attributes.')
        self.__dict__.update(state)

    def tensors(self, prefix: str = '') -> Iterator[tuple[str, Tensor]]:
        """Names, as in a state dict, and values of all tensors in it and in its parts."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                yield prefix + name, value
            elif isinstance(value, _Part):
                yield from value.tensors(f'{prefix}{name}.')


def _torchscript_weights(path: Path) -> dict[str, Tensor]:
    """Reads the weights of a TorchScript archive.

    ``torch.jit.load`` would run code of the archive, which can write files. Without its code, the archive is almost a
    checkpoint, and torch's safe loading reads it.
    """
    try:
        plain = io.BytesIO()
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(plain, 'w') as copy:
            for part in archive.infolist():
                if '/code/' not in part.filename and not part.filename.endswith('/constants.pkl'):
                    copy.writestr(part, archive.read(part), zipfile.ZIP_STORED)
        plain.seek(0)
        classes = [n for n in torch.serialization.get_unsafe_globals_in_checkpoint(plain) if n.startswith('__torch__.')]
        lists = ('build_boollist', 'build_doublelist', 'build_intlist', 'build_tensorlist')
        allowed = [(_Part, name) for name in classes] + [(_same, f'torch.jit._pickle.{name}') for name in lists]
        plain.seek(0)
        with torch.serialization.safe_globals(allowed):
            content = torch.load(plain, map_location='cpu', weights_only=True)
        # OpenAI stores these beside the weights.
        beside = ('input_resolution', 'context_length', 'vocab_size')
        return {name: value.float() for name, value in content.tensors() if name not in beside}
    except Exception as error:  # a damaged or hostile file can make the unpickler raise almost anything
        raise ValueError(f"'{path}' is no TorchScript archive of CLIP weights, or is damaged.") from error


def _same(value: Any) -> Any:
    return value


def _check_architecture(name: str) -> None:
    import open_clip

    known = open_clip.list_models()
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f'; near names: {", ".join(near)}' if near else ''
        raise ValueError(f"'{name}' is neither an architecture of open_clip nor a folder that holds {_CONFIG}{hint}.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps open_clip's progress messages, which go to the root logger, out of the training log."""

    def keep(record: logging.LogRecord) -> bool:
        return record.levelno > logging.ERROR or 'open_clip' not in record.pathname

    # A filter sees the messages of its own logger only, so those of other libraries are not affected.
    logging.root.addFilter(keep)
    try:
        yield
    finally:
        logging.root.removeFilter(keep)


def _addresses(model_name: str, tag: str) -> list[str]:
    """Addresses from which open_clip would download the weights of a tag. One of them is enough."""
    import open_clip
    from huggingface_hub import hf_hub_url

    cfg = open_clip.get_pretrained_cfg(model_name, tag)
    return [hf_hub_url(*file) for file in _hub_files(cfg)] or ([cfg['url']] if cfg.get('url') else [])


def _can_be_fetched(addresses: Sequence[str]) -> bool:
    """Whether a server has one of the addresses. The answer takes some seconds at most."""
    for address in addresses:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method='HEAD'), timeout=5).close()
        except urllib.error.HTTPError:
            continue
        except OSError:
            return False
        return True
    return False
