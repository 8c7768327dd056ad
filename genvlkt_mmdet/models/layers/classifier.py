"""The classifiers of a head: with text embeddings as class weights, or a plain linear layer."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from mmengine.logging import MMLogger, print_log
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from ...vocabulary import HOIReading, HOIVocabulary, OpenVocabulary, readings_table
from ..vlkt import CLIPSetting, encode_new_text, encode_text, load_verb_embeddings


def _logit(prior: float | None) -> float | None:
    if prior is None:
        return None
    if not 0 < prior < 1:
        raise ValueError(f'The prior of a classifier must be None or between 0 and 1, not {prior!r}.')
    return math.log(prior / (1 - prior))


@MODELS.register_module()
class TextClassifier(BaseModule):
    """Projects decoder features to CLIP's space and compares them with the text embedding of each class (section 3.3).

    ``logits = exp(logit_scale) * Linear(x / |x|)`` with ``x = LayerNorm(Linear(features))``. The scale includes the bias. The
    class weights start as L2-normalised text embeddings and are not normalised again.

    In zero-shot training there are two sets of class weights: ``fc`` of the seen classes, for the loss, and ``eval_fc`` of
    all classes, for prediction. After training, any classes can be predicted, see :meth:`extend`.

    Args:
        in_channels (int): Channels C of the decoder features. Set by the head.
        vocabulary (HOIVocabulary): Its prompts are the texts of the classes. Set by the head.
        classes (str): What to classify, ``'hois'`` or ``'objects'``. Set by the head.
        zero_shot (str, optional): Zero-shot split of the vocabulary. Set by the head. Defaults to None.
        clip_dims (int): Embedding width D of the CLIP model. Defaults to 512.
        clip (dict, optional): CLIP model that encodes the prompts, see
            :meth:`genvlkt_mmdet.models.vlkt.CLIPSource.from_cfg`. Only ``init_weights()`` and new classes need it. None: the
            class weights start as PyTorch's default.
        text (str): ``'clip'`` starts from CLIP's text embeddings. ``'random'`` starts from random directions, evenly
            distributed on the sphere, to measure what text embeddings add. Defaults to ``'clip'``.
        frozen (bool, optional): Whether class weights and biases stay as initialised. All biases are then equal. Defaults to
            None: frozen in zero-shot training.
        prior (float, optional): Initial probability of every class. Sets one bias for all classes. Defaults to None:
            PyTorch's default initialisation, or 0 if the classifier is frozen or in zero-shot training.
        eval_bias (bool): Whether ``eval_fc`` has biases. Defaults to True.
        project (bool): Whether features are projected. False: they are in CLIP's space already, so C = D. Defaults to True.

    Raises:
        ValueError: If a setting is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        vocabulary: HOIVocabulary,
        classes: str,
        zero_shot: str | None = None,
        clip_dims: int = 512,
        clip: Mapping[str, Any] | None = None,
        text: str = 'clip',
        frozen: bool | None = None,
        prior: float | None = None,
        eval_bias: bool = True,
        project: bool = True,
    ) -> None:
        super().__init__()
        if classes == 'verbs':
            raise ValueError('TextClassifier: verbs have no text embeddings; use a LinearClassifier.')
        if text not in ('clip', 'random'):
            raise ValueError(f"TextClassifier: text must be 'clip' or 'random', not {text!r}.")
        if not isinstance(clip_dims, int) or isinstance(clip_dims, bool) or clip_dims < 1:
            raise ValueError(f'TextClassifier: clip_dims must be a whole number of at least 1, not {clip_dims!r}.')
        self.prompts = tuple(vocabulary.hoi_prompts if classes == 'hois' else vocabulary.object_prompts)
        self.seen = vocabulary.seen(zero_shot) if classes == 'hois' and zero_shot is not None else None
        self.clip = clip
        self.text = text
        frozen = zero_shot is not None if frozen is None else frozen
        if not project and in_channels != clip_dims:
            raise ValueError(
                f'TextClassifier: without a projection its features are in the space of CLIP, but they have {in_channels} '
                f'channels and clip_dims is {clip_dims}: set clip_dims to the embedding width of the clip, or project=True.'
            )
        self.proj = (
            nn.Sequential(nn.Linear(in_channels, clip_dims), nn.LayerNorm(clip_dims)) if project else nn.Identity()
        )
        self.fc = nn.Linear(clip_dims, len(self.prompts if self.seen is None else self.seen))
        if self.seen is not None:
            # The loss does not see the weights of all classes, so they are never trained.
            self.eval_fc = nn.Linear(clip_dims, len(self.prompts), bias=eval_bias).requires_grad_(False)
        if frozen:
            self.fc.requires_grad_(False)
        # CLIP's temperature. It is learned.
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        logit = _logit(prior)
        if frozen or self.seen is not None or logit is not None:
            # Unseen classes cannot learn a bias. Different biases of seen classes would distort the scores.
            bias = 0.0 if logit is None else logit / self.logit_scale.exp().item()
            for fc in {self.fc, self._prediction_fc}:
                if fc.bias is not None:
                    nn.init.constant_(fc.bias, bias)
        # Buffers of an open vocabulary: they are moved and cast with the module, and are not in its checkpoints.
        self.register_buffer('new_weight', None, persistent=False)
        self.register_buffer('order', None, persistent=False)
        self.num_bias_classes = 0

    def init_weights(self) -> None:
        """Initialises the class weights, see :meth:`init_class_weights`."""
        super().init_weights()
        self.init_class_weights()

    def init_class_weights(self) -> None:
        """Sets the class weights to the text embeddings, or to random directions, see :func:`encode_text` for errors."""
        if self.text == 'random':
            self.set_embeddings(torch.randn(len(self.prompts), self.fc.in_features))
        elif self.clip is not None:
            self.set_embeddings(encode_text(self.prompts, self.clip))

    @torch.no_grad()
    def set_embeddings(self, embeddings: Tensor) -> None:
        """Sets the class weights to the L2-normalised embeddings of all classes, (num_classes, D).

        Raises:
            ValueError: If their number or width does not fit.
        """
        wanted = self._prediction_fc.weight.shape
        if embeddings.shape != wanted:
            raise ValueError(
                f'The text embeddings are {tuple(embeddings.shape)}, the classifier takes {tuple(wanted)}: set clip_dims '
                'of both text classifiers to the embedding width of their clip.'
            )
        embeddings = normalize(embeddings.to(self.fc.weight), dim=-1)
        self._prediction_fc.weight.copy_(embeddings)
        if self.seen is not None:
            self.fc.weight.copy_(embeddings[list(self.seen)])

    @torch.no_grad()
    def extend(self, classes: Sequence[int | None], embeddings: Tensor, num_bias_classes: int | None = None) -> None:
        """Predicts other classes until :meth:`reset` is called. The trained class weights do not change.

        A trained class keeps its logit, bit for bit. The weight of a new class is its L2-normalised embedding. Its bias is the
        mean of the trained biases, because a bias depends on how frequent a class is, which its text does not tell.

        Args:
            classes (Sequence[int | None]): Index of the trained class for each class to predict. None for a new class.
            embeddings (Tensor): Text embeddings of the N new classes, in order, (N, D). They are L2-normalised here.
            num_bias_classes (int, optional): Number of trained classes, from the first one, whose biases enter the mean.
                Defaults to None: all.

        Raises:
            ValueError: If the number of embeddings or their width does not fit.
        """
        fc = self._prediction_fc
        wanted = (sum(known is None for known in classes), fc.in_features)
        if embeddings.shape != wanted:
            raise ValueError(
                f'The text embeddings of new classes are {tuple(embeddings.shape)}, the classifier takes {wanted}: they '
                'must come from the CLIP model that it was trained with.'
            )
        new = iter(range(fc.out_features, fc.out_features + len(embeddings)))
        order = [next(new) if known is None else known for known in classes]
        self.new_weight = normalize(embeddings.to(fc.weight), dim=-1)
        self.order = torch.tensor(order, device=fc.weight.device)
        self.num_bias_classes = fc.out_features if num_bias_classes is None else num_bias_classes

    def reset(self) -> None:
        """Predicts the trained classes again."""
        self.new_weight = self.order = None

    @property
    def _prediction_fc(self) -> nn.Linear:
        return self.fc if self.seen is None else self.eval_fc

    @property
    def class_weights(self) -> tuple[Tensor, Tensor]:
        """tuple[Tensor, Tensor]: Weights (num_classes, D) and biases (num_classes,) of the classes of the training."""
        weight, bias = self._prediction_fc.weight, self._prediction_fc.bias
        return weight, weight.new_zeros(len(weight)) if bias is None else bias

    @property
    def text_rows(self) -> Tensor:
        """Tensor: L2-normalised weights of the classes that are predicted now, (num_classes, D)."""
        rows = self._prediction_fc.weight
        if self.order is not None:
            rows = torch.cat([rows, self.new_weight])[self.order]
        return normalize(rows, dim=-1)

    def forward(self, features: Tensor, seen_only: bool = False) -> tuple[Tensor, Tensor]:
        """Classifies decoder features.

        Args:
            features (Tensor): (..., C).
            seen_only (bool): Whether to return logits of the seen classes only. Defaults to False.

        Returns:
            tuple[Tensor, Tensor]: Logits (..., num_classes), or (..., seen) with ``seen_only``. Embeddings (..., D) before L2
            normalisation.
        """
        embeds = self.proj(features)
        unit = normalize(embeds, dim=-1)
        scores = (self.fc if seen_only else self._prediction_fc)(unit)
        if self.order is not None and not seen_only:
            new = linear(unit, self.new_weight) + self.class_weights[1][: self.num_bias_classes].mean()
            # Computing all trained classes as before keeps their logits bit for bit.
            scores = torch.cat([scores, new], dim=-1)[..., self.order]
        return self.logit_scale.exp() * scores, embeds


@MODELS.register_module()
class TextVerbClassifier(TextClassifier):
    """Compares features in CLIP's space with the text of each class and with an embedding of each verb (HOICLIP).

    ``logits = exp(logit_scale) * (fc(x / |x|) + verb_weight * verb_fc(y / |y|) @ verb_table)`` with ``y = verb_mlp(x)``. The
    features x are in CLIP's space already, so there is no projection before them. In an open vocabulary, a new class of a trained
    verb gets the part of that verb. A new verb has no embedding: its classes get the mean over all verbs, which neither prefers
    nor punishes them.

    Args:
        *args: See :class:`TextClassifier`.
        verb_weight (float): Weight of the verbs' part, in training and in prediction. Defaults to 0.5.
        verb_embeddings (str, optional): File with the initial embedding of each verb, see
            :func:`~genvlkt_mmdet.models.vlkt.load_verb_embeddings`. Only ``init_weights()`` needs it. Defaults to None: PyTorch's
            default initialisation.
        verb_table (str, optional): Which verbs a class has. ``'hoi'``: its own verb. ``'object_as_released'``: what the authors'
            code does for V-COCO, where class j has all verbs of object j, and a class from 81 on has none. Either replaces the
            table of a checkpoint. Defaults to None: the table of the checkpoint, and ``'hoi'`` for a new training.
        **kwargs: See :class:`TextClassifier`.

    Attributes:
        verb_table (Tensor): Buffer, (V, A), or (V, seen) in zero-shot training: 1 where a class has a verb, else 0.
        eval_verb_table (Tensor): Buffer, (V, A), in zero-shot training only.

    Raises:
        ValueError: If a setting is out of its range, or the features do not have the width of CLIP's space.
    """

    def __init__(
        self,
        in_channels: int,
        vocabulary: HOIVocabulary,
        classes: str,
        zero_shot: str | None = None,
        verb_weight: float = 0.5,
        verb_embeddings: str | None = None,
        verb_table: str | None = None,
        **kwargs: Any,
    ) -> None:
        if verb_table not in (None, *_VERB_TABLES):
            raise ValueError(
                f'TextVerbClassifier: verb_table is {" or ".join(map(repr, _VERB_TABLES))} or None, not {verb_table!r}.'
            )
        if classes != 'hois':
            raise ValueError(f'TextVerbClassifier: {classes} have no verbs; use a TextClassifier.')
        super().__init__(in_channels, vocabulary, classes, zero_shot, **kwargs)
        width = self.fc.in_features
        if in_channels != width:
            raise ValueError(
                f'TextVerbClassifier: its features have {in_channels} channels and clip_dims is {width}, but they must already '
                'be in the space of CLIP, as those of a HOICLIPHead: set clip_dims to the embedding width of its clip.'
            )
        self.proj = nn.Identity()
        hidden = width // 2
        self.verb_mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, width)
        )
        self.verb_fc = nn.Linear(width, vocabulary.num_verbs, bias=False)
        self.verb_weight = verb_weight
        self.verb_embeddings = verb_embeddings
        self.verb_names = vocabulary.verb_names
        self.table_is_set = verb_table is not None
        table = _VERB_TABLES[verb_table or 'hoi'](vocabulary)
        self.register_buffer('verb_table', table if self.seen is None else table[:, list(self.seen)])
        if self.seen is not None:
            self.register_buffer('eval_verb_table', table)
        self.register_buffer('new_verb_table', None, persistent=False)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        for name in ('verb_table', 'eval_verb_table') if self.table_is_set else ():
            own, key = getattr(self, name, None), f'{prefix}{name}'
            if own is not None and key in state_dict and state_dict[key].shape == own.shape:
                state_dict[key] = own.clone()
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    @torch.no_grad()
    def init_class_weights(self) -> None:
        """Sets the class weights to the text embeddings, and the verbs' to those of ``verb_embeddings``."""
        super().init_class_weights()
        if self.verb_embeddings is None:
            return
        rows = load_verb_embeddings(self.verb_embeddings, self.verb_names)
        if rows.shape != self.verb_fc.weight.shape:
            raise ValueError(
                f"The verb embeddings of '{self.verb_embeddings}' have width {rows.shape[1]}, the classifier takes "
                f'{self.verb_fc.in_features}: make them with the CLIP model of the config.'
            )
        self.verb_fc.weight.copy_(rows)

    def extend_verbs(self, verbs: Sequence[int]) -> None:
        """Sets the verbs of the N new classes of :meth:`extend`, by their indices. An index of V or more is a new verb."""
        number = self.verb_fc.out_features
        table = self.verb_fc.weight.new_zeros(number, len(verbs))
        for column, verb in enumerate(verbs):
            if verb < number:
                table[verb, column] = 1
            else:
                table[:, column] = 1 / number
        self.new_verb_table = table

    def reset(self) -> None:
        """Predicts the trained classes again."""
        super().reset()
        self.new_verb_table = None

    def verb_logits(self, features: Tensor) -> Tensor:
        """Scaled similarity of features (..., D) to each verb, (..., V)."""
        return self.logit_scale.exp() * self.verb_fc(normalize(self.verb_mlp(features), dim=-1))

    def forward(self, features: Tensor, seen_only: bool = False) -> tuple[Tensor, Tensor]:
        """Classifies features in CLIP's space, see :meth:`TextClassifier.forward`."""
        logits, embeds = super().forward(features, seen_only)
        table = self.verb_table if seen_only or self.seen is None else self.eval_verb_table
        verbs = self.verb_logits(features)
        of_classes = verbs @ table
        if self.order is not None and not seen_only:
            of_classes = torch.cat([of_classes, verbs @ self.new_verb_table], dim=-1)[..., self.order]
        return logits + self.verb_weight * of_classes, embeds


def _verb_of_hoi(vocabulary: HOIVocabulary) -> Tensor:
    """Table (V, A) with each class's own verb."""
    table = torch.zeros(vocabulary.num_verbs, vocabulary.num_hois)
    table[list(vocabulary.hoi_verbs), range(vocabulary.num_hois)] = 1
    return table


def _verbs_of_object(vocabulary: HOIVocabulary) -> Tensor:
    """Table (V, A) of the authors' code for V-COCO, with the index of the object in place of that of the class."""
    table = torch.zeros(vocabulary.num_verbs, vocabulary.num_hois)
    table[list(vocabulary.hoi_verbs), list(vocabulary.hoi_objects)] = 1
    return table


_VERB_TABLES = dict(hoi=_verb_of_hoi, object_as_released=_verbs_of_object)


def log_readings(readings: Sequence[HOIReading]) -> None:
    """Logs how an open vocabulary was read. A long table takes a while to make, so it is made only for a log that shows it."""
    if MMLogger.get_current_instance().isEnabledFor(logging.INFO):
        print_log(f'The vocabulary was read as:\n{readings_table(readings)}', logger='current')


def encode_new_classes(opened: OpenVocabulary, clip: CLIPSetting | None, width: int) -> tuple[Tensor, Tensor]:
    """Text embeddings of the HOI classes and objects of an open vocabulary that were not in the training.

    Args:
        opened (OpenVocabulary): The vocabulary.
        clip (dict | KeptTextEncoder, optional): CLIP model that encodes their prompts.
        width (int): Width D of the classifiers.

    Returns:
        tuple[Tensor, Tensor]: Embeddings of the new HOI classes and of the new objects, (N, D) each, not normalised.

    Raises:
        ValueError: If there is a new class, but no CLIP model.
    """
    hois = zip(opened.vocabulary.hoi_prompts, opened.trained_hois, strict=True)
    objects = zip(opened.vocabulary.object_prompts, opened.trained_objects, strict=True)
    new_hois = [prompt for prompt, known in hois if known is None]
    new_objects = [prompt for prompt, known in objects if known is None]
    prompts = [*new_hois, *new_objects]
    if prompts and clip is None:
        raise ValueError(
            f"'{prompts[0]}' is new to the model and its text must be encoded: name the CLIP model by "
            'set_vocabulary(hois, clip=...) or by model.bbox_head.hoi_classifier.clip in the config.'
        )
    embeddings = encode_new_text(prompts, clip) if clip and prompts else torch.zeros(0, width)
    return embeddings[: len(new_hois)], embeddings[len(new_hois) :]


def extend_classifiers(
    hoi_classifier: nn.Module,
    obj_classifier: nn.Module,
    trained: HOIVocabulary,
    opened: OpenVocabulary,
    clip: CLIPSetting | None = None,
) -> None:
    """Extends the classifiers of a head to an open vocabulary, see :meth:`GENVLKT.set_vocabulary` for errors.

    Without a new object, the object classifier can also be a :class:`LinearClassifier`, which does not change. ``clip`` encodes
    new prompts; None takes that of the HOI classifier.
    """
    extends_objects = None in opened.trained_objects or isinstance(obj_classifier, TextClassifier)
    classifiers = [hoi_classifier] + [obj_classifier] * extends_objects
    if not all(isinstance(classifier, TextClassifier) for classifier in classifiers):
        raise ValueError(
            'An open vocabulary needs text classifiers: this model has '
            f'{" and ".join(type(classifier).__name__ for classifier in classifiers)}.'
        )
    new_hois, new_objects = encode_new_classes(opened, clip or hoi_classifier.clip, hoi_classifier.fc.in_features)
    hoi_classifier.extend(opened.trained_hois, new_hois)
    if isinstance(hoi_classifier, TextVerbClassifier):
        pairs = zip(opened.trained_hois, opened.vocabulary.hoi_verbs, strict=True)
        hoi_classifier.extend_verbs([verb for known, verb in pairs if known is None])
    if extends_objects:
        # The biases of 'nothing' and 'person only' are left out: they say nothing about a new object.
        obj_classifier.extend(opened.trained_objects, new_objects, trained.num_objects)


@MODELS.register_module()
class LinearClassifier(BaseModule):
    """A linear layer on decoder features: the classifier without text embeddings (Table 4b, first row).

    In zero-shot training, the loss reaches the weights of seen classes only. The weights of unseen classes are zero: without
    text, only their object is known, so every query gives them the logit of the prior.

    The head sets ``in_channels``, ``vocabulary`` and ``zero_shot``, as for :class:`TextClassifier`.

    Args:
        classes (str): What to classify, ``'hois'``, ``'objects'`` or ``'verbs'``. Set by the head.
        prior (float, optional): Initial probability of every class, more than 0 and less than 1. Defaults to None: PyTorch's
            default initialisation.
    """

    def __init__(
        self,
        in_channels: int,
        vocabulary: HOIVocabulary,
        classes: str,
        zero_shot: str | None = None,
        prior: float | None = None,
    ) -> None:
        super().__init__()
        counts = dict(hois=vocabulary.num_hois, objects=vocabulary.num_object_logits, verbs=vocabulary.num_verbs)
        self.seen = vocabulary.seen(zero_shot) if classes == 'hois' and zero_shot is not None else None
        self.linear = nn.Linear(in_channels, counts[classes])
        if (logit := _logit(prior)) is not None:
            nn.init.constant_(self.linear.bias, logit)
        if self.seen is not None:
            with torch.no_grad():
                self.linear.weight[list(vocabulary.unseen(zero_shot))] = 0

    @property
    def class_weights(self) -> tuple[Tensor, Tensor]:
        """tuple[Tensor, Tensor]: Weights (num_classes, C) and biases (num_classes,) of the classes."""
        return self.linear.weight, self.linear.bias

    def forward(self, features: Tensor, seen_only: bool = False) -> tuple[Tensor, Tensor]:
        """Logits as in :meth:`TextClassifier.forward`, and the features themselves."""
        logits = self.linear(features)
        return logits[..., list(self.seen)] if seen_only and self.seen is not None else logits, features
