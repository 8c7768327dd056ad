"""What the detectors take from CLIP: text embeddings, a teacher of interaction features, and the tokens of an image."""

from .clip_source import CLIPSource, image_transform, save_clip_model
from .clip_tokens import CLIPTokens
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
from .verb_arithmetic import VerbSums, compute_verb_embeddings, read_official_verbs
from .verb_embeddings import load_verb_embeddings, save_verb_embeddings

__all__ = [
    'CLIPSetting',
    'CLIPSource',
    'CLIPTeacher',
    'CLIPTokens',
    'KeptTextEncoder',
    'MissingPromptsError',
    'StaleCacheError',
    'VerbSums',
    'build_teacher',
    'compute_text_embeddings',
    'compute_verb_embeddings',
    'encode_new_text',
    'encode_text',
    'image_transform',
    'load_text_embeddings',
    'load_verb_embeddings',
    'read_official_verbs',
    'save_clip_model',
    'save_text_embeddings',
    'save_verb_embeddings',
]
