"""The weights and inputs of the parity fixtures, as closed formulas.

The authors' code ran with these numbers, and the tests make them again: no weight file is needed. Every number follows from a
key, a text, through SHA-256 and numpy's PCG64, whose raw output is the same on every machine and in every version.
The scales keep activations, logits and boxes in the range of a trained model, so that a wrong order of operations shows.
"""

import hashlib
import math

import numpy as np

# First part of every key. Another family gives other numbers.
FAMILY = 'A'


def noise(key, shape):
    """Uniform numbers of mean 0 and variance 1, float64."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], 'little')
    draws = np.random.PCG64(seed).random_raw(math.prod(shape)) >> np.uint64(11)
    return ((2.0 * (draws * 2.0**-53) - 1.0) * math.sqrt(3.0)).reshape(shape)


def _without_mean(z):
    """Filters of mean 0: without them the positive features of a ReLU network add up to one large constant."""
    return z - z.reshape(len(z), -1).mean(axis=1).reshape(-1, 1, 1, 1)


def _backbone(name, kind, z):
    if z.ndim == 4:
        return _without_mean(z) * math.sqrt(2.0 / math.prod(z.shape[1:])) * 1.2
    if kind == 'running_var':
        return 1.0 + 0.25 * z
    if kind in ('running_mean', 'bias'):
        return 0.1 * z
    if '.bn3.' in name:
        return 0.3 * (1.0 + 0.2 * z)
    return (0.7 if '.downsample.' in name else 1.0) * (1.0 + 0.2 * z)


def _linear(kind, z, gain):
    """Weights of a variance of gain^2 / inputs; small biases."""
    return z * (gain / math.sqrt(z.shape[1])) if kind == 'weight' else 0.1 * z


def _of_clip(name, z):
    """Scale of a weight of CLIP's image encoder that has one of its own, else None."""
    kind = name.removeprefix('clip_model.visual.')
    if kind == 'conv1.weight':
        return 1.2 / math.sqrt(math.prod(z.shape[1:])) * 8.0
    if kind.endswith('.mlp.c_proj.weight'):
        return 0.6 / math.sqrt(z.shape[1])
    return {'class_embedding': 1.0, 'positional_embedding': 0.5}.get(kind)


def tensor(name, shape):
    """One parameter or buffer, float32.

    Args:
        name (str): Its name in the authors' state dict.
        shape (Sequence[int]): Its shape.
    """
    z, kind = noise(f'{FAMILY}:{name}', tuple(shape)), name.rpartition('.')[2]
    if name.startswith('backbone.'):
        value = _backbone(name, kind, z)
    elif name.startswith('clip_model.visual.') and (scale := _of_clip(name, z)) is not None:
        value = scale * z
    elif name == 'verb_projection.weight':
        value = z * (2.5 / math.sqrt(512.0))
    elif kind in ('logit_scale', 'obj_logit_scale'):
        value = 2.6 + 0.05 * z
    elif name in ('query_embed_h.weight', 'query_embed_o.weight', 'pos_guided_embedd.weight'):
        value = z
    elif 'visual_projection' in name:  # classifiers
        bias = 0.08 * z + (-0.05 if name.startswith('obj_') else -0.35)
        value = z * (2.5 / math.sqrt(512.0)) if kind == 'weight' else bias
    elif name == 'input_proj.weight':
        value = _without_mean(z) * (2.0 / math.sqrt(z.shape[1]))
    elif 'bbox_embed.layers.2' in name:  # the last layer starts from boxes of a third of the image
        value = _linear(kind, z, 1.6) if kind == 'weight' else np.array([0.0, 0.0, -0.7, -0.7]) + 0.2 * z
    elif 'bbox_embed.layers' in name:
        value = z * math.sqrt(2.0 / z.shape[1]) if kind == 'weight' else 0.1 * z
    elif kind == 'in_proj_weight':  # queries and keys, then values
        width = z.shape[1]
        sharp = 1.2 if '.self_attn.' in name else 1.8
        value = z * np.where(np.arange(len(z)) < 2 * width, sharp, 1.0).reshape(-1, 1) / math.sqrt(width)
    elif 'out_proj' in name:
        value = _linear(kind, z, 3.0 if '.multihead_attn.' in name else 0.3)
    elif kind == 'weight' and z.ndim == 1:  # layer norm
        value = 1.0 + 0.1 * z
    elif z.ndim == 2:
        value = z * ((0.4 if '.linear2.' in name else 1.2) / math.sqrt(z.shape[1]))
    else:
        value = 0.1 * z
    return value.astype(np.float32)


def _blocks(key, size, height, width):
    """Noise (3, height, width) that is constant in squares of ``size`` pixels."""
    rows, columns = -(-height // size), -(-width // size)
    coarse = noise(key, (3, rows, columns))
    return coarse.repeat(size, axis=1).repeat(size, axis=2)[:, :height, :width]


def image(tag, index, height, width):
    """An image as the network gets it, normalised: float32 (3, height, width)."""
    key = f'img:{FAMILY}:{tag}:{index}'
    out = np.zeros((3, height, width))
    out += 0.7 * _blocks(f'{key}:b16', 16, height, width)
    out += 0.8 * _blocks(f'{key}:b48', 48, height, width)
    out += 0.3 * noise(f'{key}:px', (3, height, width))
    return out.astype(np.float32)


def clip_image(tag, index):
    """An image as the teacher gets it: float32 (3, 224, 224)."""
    key = f'clip:{FAMILY}:{tag}:{index}'
    out = _blocks(f'{key}:b28', 28, 224, 224)
    return (out + 0.2 * noise(f'{key}:px', (3, 224, 224))).astype(np.float32)


def teacher_features(images):
    """Stands for CLIP's image encoder: mean colours of 7 x 7 cells, projected.

    Args:
        images (np.ndarray): (B, 3, 224, 224).

    Returns:
        np.ndarray: float32 (B, 512).
    """
    weight = (noise('stubclip:image_proj', (147, 512)) * 0.12).astype(np.float32)
    cells = images.astype(np.float64).reshape(len(images), 3, 7, 32, 7, 32).mean(axis=(3, 5))
    return (cells.reshape(len(images), 147) @ weight.astype(np.float64)).astype(np.float32)
