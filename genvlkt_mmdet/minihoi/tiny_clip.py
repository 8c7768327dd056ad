"""Training of the tiny CLIP: a small ``open_clip`` model that takes CLIP's part on MiniHOI.

Like CLIP, it learns from the contrast of images and captions, not to classify. Like CLIP, it sees every combination of verb
and object, including those of the zero-shot splits.
"""

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from mmengine.logging import print_log
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.transformer import VisionTransformer
from PIL import Image
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import write_file
from ..models.vlkt.clip_source import CLIPSource
from .catalog import label_sets, vocabulary
from .scenes import Scene, render_scene, sample_scene

IMAGE_SIZE = 64
FEATURE_SCALE = 0.4
"""Mean absolute value of CLIP's image features. The mimic loss's weight of 20 (GEN-VLKT, Sec. 4.1) fits it."""

_VISION = dict(
    # Four stages make open_clip choose its ModifiedResNet, which learns faster from few images than a ViT.
    resnet=dict(layers=[1, 1, 1, 1], width=16, head_width=64, patch_size=None),
    vit=dict(layers=4, width=128, head_width=32, patch_size=8, mlp_ratio=2.0),
)
_WEIGHTS = 'open_clip_model.safetensors'
_CONFIG = 'open_clip_config.json'
_BPE = 'bpe.txt.gz'
_CONTEXT = 24
_STREAM = 100  # random stream of the images, not one of MiniHOI's splits
_EMPTY = 0.025  # share of empty scenes, for the caption 'a photo of nothing'
_HOI_CAPTIONS = 0.75  # share of captions that name an interaction; the others name an object


def learn_bpe(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Learns byte pair merges until every word is one token.

    Args:
        texts (Iterable[str]): The texts.

    Returns:
        list[tuple[str, str]]: Merges for ``open_clip``'s SimpleTokenizer, the most frequent first.
    """
    counts = Counter(word for text in texts for word in text.lower().split())
    words = {word: [*word[:-1], f'{word[-1]}</w>'] for word in sorted(counts)}
    merges = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, symbols in words.items():
            for pair in zip(symbols, symbols[1:], strict=False):
                pairs[pair] += counts[word]
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, symbols in words.items():
            merged: list[str] = []
            for symbol in symbols:
                if merged and (merged[-1], symbol) == best:
                    merged[-1] += symbol
                else:
                    merged.append(symbol)
            words[word] = merged


def _model_config(vocab_size: int, vision: str) -> dict[str, Any]:
    """Content of ``open_clip_config.json`` for a tokenizer with a number of tokens and an image encoder of _VISION."""
    return dict(
        model_cfg=dict(
            embed_dim=128,
            vision_cfg=dict(image_size=IMAGE_SIZE, **_VISION[vision]),
            text_cfg=dict(
                context_length=_CONTEXT,
                vocab_size=vocab_size,
                width=96,
                heads=4,
                layers=2,
                tokenizer_kwargs=dict(bpe_path=_BPE),
            ),
        ),
        preprocess_cfg=dict(interpolation='bicubic', resize_mode='shortest'),
    )


def render_captioned(
    num_images: int, seed: int, single_pair: float = 0.5, long_tail: bool = False
) -> tuple[Tensor, list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Renders MiniHOI images and lists the classes that a caption can name.

    Args:
        num_images (int): Number of images N.
        seed (int): Seed of the images. Their random stream is not one of MiniHOI's splits.
        single_pair (float): Share of images with one pair and nothing else. The others are ordinary scenes, of which
            one in forty is empty.
        long_tail (bool): Whether HOI classes are as frequent as in the training split. Default: all equally frequent.

    Returns:
        tuple: Images (N, 3, 64, 64) uint8 RGB, and the indices of the HOI classes and of the object classes of each image.
    """
    vocab = vocabulary()
    hoi_of = {value: index for index, value in enumerate(vocab.hoi_ids)}
    object_of = {value: index for index, value in enumerate(vocab.object_ids)}
    sets, probabilities = label_sets(long_tail)
    single = [(s[0], p) for s, p in zip(sets, probabilities, strict=True) if len(s) == 1]
    chances = np.array([p for _, p in single]) / sum(p for _, p in single)
    images = np.empty((num_images, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    hois, objects = [], []
    for index in range(num_images):
        rng = np.random.default_rng([_STREAM, seed, index])
        kind = rng.random()
        if kind < single_pair:
            scene = sample_scene(rng, hoi=single[rng.choice(len(single), p=chances)][0])
        else:
            scene = sample_scene(rng, long_tail=long_tail)
            if rng.random() < _EMPTY:
                scene = Scene([], scene.background, scene.size)
        image, annotation = render_scene(scene)
        images[index] = resize(image)
        hois.append(tuple(sorted({hoi_of[h['hoi_category_id']] for h in annotation['hoi_annotation']})))
        objects.append(tuple(sorted({object_of[a['category_id']] for a in annotation['annotations']})))
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), hois, objects


def resize(image: np.ndarray) -> np.ndarray:
    """Resizes an RGB image for the tiny CLIP, like its preprocessing: bicubic with antialiasing."""
    return np.array(Image.fromarray(image).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC))


def normalize(images: Tensor) -> Tensor:
    """Converts uint8 RGB images (N, 3, S, S) to the float input of the image encoder."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD))
    return (images.float() / 255 - mean) / std


def train_tiny_clip(
    out: str | Path,
    num_images: int = 12000,
    steps: int = 1400,
    batch_size: int = 128,
    lr: float = 2e-3,
    seed: int = 0,
    long_tail: bool = False,
    eval_images: int = 1000,
    vision: str = 'resnet',
    teacher: str | Path | None = None,
    max_shift: int = 0,
    float8: bool = False,
) -> dict[str, float]:
    """Trains the tiny CLIP and writes it to a folder, which a ``clip`` setting and ``open_clip`` itself can load.

    Each image of a batch gets one of its true captions. The loss is CLIP's contrast of the images and captions of the batch,
    in both directions. There are few captions, so several of a batch can be true of an image. Those that are true, but are
    not the image's own, are left out of its loss.

    A ViT learns slowly from so few images. With a ``teacher``, the text encoder is that of another tiny CLIP and stays as it is,
    and the cosine distance of the image embeddings of the two is added to the loss. Both models then share one space.

    Args:
        out (str | Path): Folder to write.
        num_images (int): Number of images to render for training.
        steps (int): Number of optimiser steps.
        batch_size (int): Images per step.
        lr (float): Maximum learning rate.
        seed (int): Seed of images, initialisation and order.
        long_tail (bool): See :func:`render_captioned`.
        eval_images (int): Number of held-out images for evaluation.
        vision (str): Image encoder: ``'resnet'``, which has four tokens, or ``'vit'`` with a class token and 64 patches.
        teacher (str | Path, optional): ``clip`` setting of a trained tiny CLIP. Defaults to None: both encoders are trained.
        max_shift (int): Images are shifted at random by up to this number of pixels in training.
        float8 (bool): Whether matrices are stored in 8 bits (``float8_e4m3fn``), all else in half precision. open_clip loads
            them like any other weights. Defaults to False: all in half precision.

    Returns:
        dict: See :func:`evaluate_tiny_clip`.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    vocab = vocabulary()
    captions = [*vocab.hoi_prompts, *vocab.object_prompts]
    merges = learn_bpe(captions)
    out = Path(out)
    lines = ['#version: 0.2', *(' '.join(pair) for pair in merges)]
    # mtime 0: the same training writes the same bytes.
    write_file(out / _BPE, gzip.compress('\n'.join(lines).encode(), mtime=0))
    tokenizer = open_clip.SimpleTokenizer(bpe_path=str(out / _BPE), context_length=_CONTEXT)
    config = _model_config(tokenizer.vocab_size, vision)
    write_file(out / _CONFIG, (json.dumps(config, indent=2) + '\n').encode())
    model = open_clip.CLIP(**config['model_cfg'])
    tokens = tokenizer(captions)
    if teacher is not None:
        taught = CLIPSource.from_cfg(str(teacher)).load_model()
        text = {k: v for k, v in taught.state_dict().items() if not k.startswith('visual.')}
        model.load_state_dict(text, strict=False)
        model.requires_grad_(False).visual.requires_grad_(True)

    print_log(f'Rendering {num_images} images.', logger='current')
    images, hois, objects = render_captioned(num_images, seed, long_tail=long_tail)
    truth = _true_captions(hois, objects, vocab.num_hois, vocab.num_object_logits)  # (N, captions)

    goals = torch.empty(num_images, 0) if teacher is None else _embed(taught, images)  # (N, D)

    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=0.05), dict(params=others, weight_decay=0.0)], lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1, pct_start=0.1)
    model.train()
    start, running = time.perf_counter(), 0.0
    for step in range(1, steps + 1):
        index = torch.from_numpy(generator.integers(num_images, size=batch_size))
        batch, true = images[index], truth[index]
        flipped = torch.from_numpy(generator.random(batch_size) < 0.5)
        batch = torch.where(flipped[:, None, None, None], batch.flip(-1), batch)
        batch = _shifted(batch, max_shift, generator)
        own = _draw_captions(true, vocab.num_hois, generator)
        # On CPUs with instructions for it, a ViT takes half of the time in bfloat16.
        with torch.autocast('cpu', torch.bfloat16, enabled=vision == 'vit'):
            features = model.encode_image(normalize(batch)).float()
        image_embeds = F.normalize(features, dim=-1)
        loss = _contrast(model, image_embeds, tokens, own, true)
        if teacher is not None:
            loss = loss + (1 - (image_embeds * goals[index]).sum(-1)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, np.log(100))
        running += loss.item()
        if step % 100 == 0:
            seconds = time.perf_counter() - start
            print_log(f'step {step}/{steps}  loss {running / 100:.3f}  {seconds:.0f} s', logger='current')
            running = 0.0

    model.eval()
    _scale_features(model, images[:1000])
    write_file(out / _WEIGHTS, save({k: _stored(v, float8) for k, v in model.state_dict().items()}))
    return evaluate_tiny_clip(out, eval_images, seed + 1)


def _stored(value: Tensor, float8: bool) -> Tensor:
    if not value.is_floating_point():
        return value
    return value.to(torch.float8_e4m3fn if float8 and value.dim() > 1 else torch.float16).contiguous()


@torch.no_grad()
def evaluate_tiny_clip(folder: str | Path, num_images: int = 1000, seed: int = 1) -> dict[str, float]:
    """Classifies held-out images of a single pair by their nearest caption.

    Args:
        folder (str | Path): Folder of :func:`train_tiny_clip`.
        num_images (int): Number of images. All HOI classes are equally frequent.
        seed (int): Seed of the images, other than that of the training.

    Returns:
        dict: ``hoi``, ``verb``, ``object``: accuracy of HOI class, verb, and object (among all but the person).
        ``nothing``: accuracy on empty images. ``feature_scale``: mean absolute value of the image features before
        normalisation.
    """
    vocab, source = vocabulary(), CLIPSource.from_cfg(str(folder))
    model, tokenizer = source.load_model(), source.load_tokenizer()
    images, hois, _ = render_captioned(num_images, seed, single_pair=1.0)
    target = torch.tensor([h[0] for h in hois])
    features = torch.cat([model.encode_image(normalize(chunk)) for chunk in images.split(250)])
    image_embeds = F.normalize(features, dim=-1)
    hoi_texts = model.encode_text(tokenizer(list(vocab.hoi_prompts)), normalize=True)
    object_texts = model.encode_text(tokenizer(list(vocab.object_prompts)), normalize=True)
    named = (image_embeds @ hoi_texts.T).argmax(1)
    things = [i for i, name in enumerate(vocab.object_names) if name != 'person']
    named_object = torch.tensor(things)[(image_embeds @ object_texts[things].T).argmax(1)]
    verbs, objects = torch.tensor(vocab.hoi_verbs), torch.tensor(vocab.hoi_objects)
    empty = torch.stack([_empty_image(seed, i) for i in range(50)])
    empty_named = (model.encode_image(normalize(empty), normalize=True) @ object_texts.T).argmax(1)
    return dict(
        hoi=(named == target).float().mean().item(),
        verb=(verbs[named] == verbs[target]).float().mean().item(),
        object=(named_object == objects[target]).float().mean().item(),
        nothing=(empty_named == vocab.num_object_logits - 1).float().mean().item(),
        feature_scale=features.abs().mean().item(),
    )


def _true_captions(
    hois: Sequence[Sequence[int]], objects: Sequence[Sequence[int]], num_hois: int, num_object_logits: int
) -> Tensor:
    """True captions of each image, (N, num_hois + num_object_logits) bool. The last one is 'nothing'."""
    truth = torch.zeros(len(hois), num_hois + num_object_logits, dtype=torch.bool)
    for row, (actions, things) in enumerate(zip(hois, objects, strict=True)):
        truth[row, list(actions)] = True
        truth[row, [num_hois + thing for thing in things]] = True
        truth[row, -1] = not things
    return truth


def _draw_captions(true: Tensor, num_hois: int, generator: np.random.Generator) -> Tensor:
    """Draws one true caption for each image, (B). It mostly names an interaction, if the image has one."""
    weights = true.double()
    is_hoi = torch.arange(true.shape[1]) < num_hois
    has_hoi = true[:, is_hoi].any(1, keepdim=True)
    share = torch.where(is_hoi, _HOI_CAPTIONS, 1 - _HOI_CAPTIONS).expand_as(weights)
    counts = torch.where(is_hoi, weights[:, is_hoi].sum(1, keepdim=True), weights[:, ~is_hoi].sum(1, keepdim=True))
    weights = weights * torch.where(has_hoi, share / counts.clamp(min=1), 1.0)
    cumulative = (weights / weights.sum(1, keepdim=True)).cumsum(1)
    draw = torch.from_numpy(generator.random((len(true), 1)))
    return (cumulative <= draw).sum(1).clamp(max=true.shape[1] - 1)


def _shifted(batch: Tensor, max_shift: int, generator: np.random.Generator) -> Tensor:
    """Shifts each image (B, 3, S, S) by up to ``max_shift`` pixels in both directions. Its border is repeated."""
    if not max_shift:
        return batch
    size = batch.shape[-1]
    padded = F.pad(batch.float(), [max_shift] * 4, mode='replicate').unfold(2, size, 1).unfold(3, size, 1)
    y, x = torch.from_numpy(generator.integers(2 * max_shift + 1, size=(2, len(batch))))
    return padded[torch.arange(len(batch)), :, y, x]


@torch.no_grad()
def _embed(model: nn.Module, images: Tensor) -> Tensor:
    """Unit embeddings (N, D) of uint8 images."""
    return torch.cat([model.encode_image(normalize(chunk), normalize=True) for chunk in images.split(250)])


def _contrast(model: nn.Module, image_embeds: Tensor, tokens: Tensor, own: Tensor, true: Tensor) -> Tensor:
    """CLIP's loss of the images of a batch and their captions, in both directions.

    ``image_embeds``: unit embeddings (B, D). ``tokens``: all C captions. ``own`` (B): caption of each image. ``true`` (B, C):
    its true captions.
    """
    used, column = own.unique(return_inverse=True)  # (U,), (B,)
    texts = model.encode_text(tokens[used], normalize=True)
    logits = model.logit_scale.exp() * image_embeds @ texts.T  # (B, U)
    also_true = true[:, used].clone()
    also_true[torch.arange(len(own)), column] = False
    by_image = F.cross_entropy(logits.masked_fill(also_true, float('-inf')), column)
    # A caption can have several images: its target is spread evenly over them.
    target = true[:, used].float()
    log_share = logits.log_softmax(0)
    by_caption = -((log_share * target).sum(0) / target.sum(0)).mean()
    # The minimum of this loss is the entropy of the target. Without it, a perfect model has loss 0.
    return (by_image + by_caption - target.sum(0).log().mean()) / 2


@torch.no_grad()
def _scale_features(model: nn.Module, images: Tensor) -> None:
    """Scales the last projection, so that image features have CLIP's mean absolute value."""
    features = torch.cat([model.encode_image(normalize(chunk)) for chunk in images.split(250)])
    factor = FEATURE_SCALE / features.abs().mean()
    if isinstance(model.visual, VisionTransformer):
        model.visual.proj.mul_(factor)
        return
    projection = model.visual.attnpool.c_proj
    projection.weight.mul_(factor)
    projection.bias.mul_(factor)


def _empty_image(seed: int, index: int) -> Tensor:
    """A background without objects, (3, 64, 64) uint8."""
    scene = sample_scene(np.random.default_rng([_STREAM, seed, 10**6 + index]))
    image, _ = render_scene(Scene([], scene.background, scene.size))
    return torch.from_numpy(resize(image)).permute(2, 0, 1)
