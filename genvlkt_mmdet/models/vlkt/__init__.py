"""What GEN-VLKT takes from CLIP: text embeddings for its classifiers and a teacher for its interaction features."""

from .clip_source import CLIPSource, image_transform, save_clip_model
from .teacher import CLIPTeacher, build_teacher
from .text_embeddings import (
    MissingPromptsError,
    StaleCacheError,
    compute_text_embeddings,
    encode_new_text,
    encode_text,
    load_text_embeddings,
    save_text_embeddings,
)
from .verb_embeddings import (
    VerbEmbeddings,
    VerbSums,
    compute_verb_embeddings,
    load_verb_embeddings,
    read_official_verbs,
    save_verb_embeddings,
)

__all__ = [
    'CLIPSource',
    'CLIPTeacher',
    'MissingPromptsError',
    'StaleCacheError',
    'VerbEmbeddings',
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
