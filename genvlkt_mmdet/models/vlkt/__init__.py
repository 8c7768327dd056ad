"""What GEN-VLKT takes from CLIP: text embeddings for its classifiers and a teacher for its interaction features."""

from .clip_source import CLIPSource, image_transform, save_clip_model
from .teacher import CLIPTeacher, build_teacher
from .text_embeddings import (
    CLIPSetting,
    KeptTextEncoder,
    MissingPromptsError,
    StaleCacheError,
    compute_text_embeddings,
    encode_new_text,
    encode_text,
    load_text_embeddings,
    save_text_embeddings,
)

__all__ = [
    'CLIPSetting',
    'CLIPSource',
    'CLIPTeacher',
    'KeptTextEncoder',
    'MissingPromptsError',
    'StaleCacheError',
    'build_teacher',
    'compute_text_embeddings',
    'encode_new_text',
    'encode_text',
    'image_transform',
    'load_text_embeddings',
    'save_clip_model',
    'save_text_embeddings',
]
