"""The classifier whose rows are text embeddings, and the plain one that the ablation compares it with."""

import math
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import linear, normalize


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


class CosineClassifier(BaseModule):
    """Projects decoder features to CLIP's space and compares them with one embedding per class (section 3.3).

    ``logits = exp(logit_scale) * Linear(x / |x|)`` with ``x = LayerNorm(Linear(features))``: the bias is scaled too, and
    the rows, text embeddings of length 1 at first, are not normalised again.

    In zero-shot training the classifier holds two sets of rows: those of the seen classes, for the loss, and those of
    all classes, for prediction.

    After training it can predict any classes, see :meth:`open`.

    Args:
        in_channels (int): Channels C of the decoder features.
        clip_dims (int): Width D of the CLIP embedding.
        num_classes (int): Number of classes to predict.
        seen (Sequence[int], optional): The classes of zero-shot training; None trains all of them.
        frozen (bool): Whether the rows and their biases stay as they were initialised; all biases are then the same.
            Defaults to False.
        prior (float, optional): Probability (of a sigmoid) that a class has at a cosine of 0, through the bias that all rows
            start with; None starts as torch does, or with 0 where rows are frozen or not all of them are trained.
    """

    def __init__(
        self,
        in_channels: int,
        clip_dims: int,
        num_classes: int,
        seen: 'tuple[int, ...] | None' = None,
        frozen: bool = False,
        prior: float | None = None,
    ) -> None:
        super().__init__()
        self.seen = seen
        self.proj = nn.Sequential(nn.Linear(in_channels, clip_dims), nn.LayerNorm(clip_dims))
        self.fc = nn.Linear(clip_dims, num_classes if seen is None else len(seen))
        if seen is not None:
            # Rows of all classes; never trained, since the loss does not see them.
            self.eval_fc = nn.Linear(clip_dims, num_classes).requires_grad_(False)
        if frozen:
            self.fc.requires_grad_(False)
        # CLIP's temperature: starts at 1 / 0.07 and is learned.
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        if frozen or seen is not None or prior is not None:
            # Unseen rows learn no bias, so neither may seen ones: one policy for all rows, or the split decides the scores.
            bias = 0.0 if prior is None else _logit(prior) / self.logit_scale.exp().item()
            for fc in {self.fc, self._prediction_rows}:
                nn.init.constant_(fc.bias, bias)
        # Open vocabulary: follows the module to its device and precision, and never enters a checkpoint.
        self.register_buffer('open_rows', None, persistent=False)
        self.register_buffer('open_order', None, persistent=False)
        self.open_bias_from = 0

    @torch.no_grad()
    def set_rows(self, embeddings: Tensor) -> None:
        """Writes the class embeddings.

        Args:
            embeddings (Tensor): One per class, (num_classes, D), any length; they are L2-normalised.

        Raises:
            ValueError: If the number of embeddings or their width is another.
        """
        wanted = self._prediction_rows.weight.shape
        if embeddings.shape != wanted:
            raise ValueError(
                f'The text embeddings are {tuple(embeddings.shape)}, the classifier takes {tuple(wanted)}: set '
                'model.bbox_head.clip_dims to the embedding width of model.bbox_head.clip.'
            )
        rows = normalize(embeddings.to(self.fc.weight), dim=-1)
        if self.seen is None:
            self.fc.weight.copy_(rows)
            return
        self.fc.weight.copy_(rows[list(self.seen)])
        self.eval_fc.weight.copy_(rows)

    @torch.no_grad()
    def open(self, classes: Sequence[int | None], embeddings: Tensor, bias_from: int | None = None) -> None:
        """Predicts other classes from now on, until :meth:`close`; the trained rows stay as they are.

        A trained class keeps its logit, bit for bit. A new one has its L2-normalised embedding as row; its bias is the mean
        of the trained ones, since a bias says how ready a classifier is to say yes and text does not tell.

        Args:
            classes (Sequence[int | None]): For each class to predict, the trained class that it is; None for a new one.
            embeddings (Tensor): Text embeddings of the new classes, in order, (N, D), any length.
            bias_from (int, optional): The bias is the mean over so many of the trained classes, the first ones; None takes
                all.

        Raises:
            ValueError: If the number of embeddings or their width is another.
        """
        fc = self._prediction_rows
        wanted = (sum(known is None for known in classes), fc.in_features)
        if embeddings.shape != wanted:
            raise ValueError(
                f'The text embeddings of new classes are {tuple(embeddings.shape)}, the classifier takes {wanted}: they '
                'must come from the CLIP model that it was trained with.'
            )
        new = iter(range(fc.out_features, fc.out_features + len(embeddings)))
        order = [next(new) if known is None else known for known in classes]
        self.open_rows = normalize(embeddings.to(fc.weight), dim=-1)
        self.open_order = torch.tensor(order, device=fc.weight.device)
        self.open_bias_from = fc.out_features if bias_from is None else bias_from

    def close(self) -> None:
        """Predicts the trained classes again."""
        self.open_rows = self.open_order = None

    @property
    def _prediction_rows(self) -> nn.Linear:
        return self.fc if self.seen is None else self.eval_fc

    def forward(self, features: Tensor, seen_only: bool = False) -> tuple[Tensor, Tensor]:
        """Classifies.

        Args:
            features (Tensor): (..., C).
            seen_only (bool): Whether to give the logits of the classes that are trained only. Defaults to False.

        Returns:
            tuple[Tensor, Tensor]: Logits (..., num_classes), or (..., seen) where asked; embeddings (..., D) before L2
            normalisation.
        """
        embeds = self.proj(features)
        unit = normalize(embeds, dim=-1)
        scores = (self.fc if seen_only else self._prediction_rows)(unit)
        if self.open_order is not None and not seen_only:
            new = linear(unit, self.open_rows) + self._prediction_rows.bias[: self.open_bias_from].mean()
            # Trained classes are computed as always and then picked, so that what they score cannot depend on the others.
            scores = torch.cat([scores, new], dim=-1)[..., self.open_order]
        return self.logit_scale.exp() * scores, embeds


class LinearClassifier(BaseModule):
    """A linear layer on decoder features: what a classifier without text embeddings is (Table 4b, first row).

    In zero-shot training the loss reaches the rows of seen classes only. The rows of unseen classes are zero, so that
    their logit is the prior's for every query: without text nothing is known of them but their object.

    Args:
        in_channels (int): Channels C of the decoder features.
        num_classes (int): Number of classes to predict.
        seen (Sequence[int], optional): The classes of zero-shot training; None trains all of them.
        prior (float, optional): Probability (of a sigmoid) that every class starts with; None starts as torch does.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        seen: 'tuple[int, ...] | None' = None,
        prior: float | None = None,
    ) -> None:
        super().__init__()
        self.seen = seen
        self.linear = nn.Linear(in_channels, num_classes)
        if prior is not None:
            nn.init.constant_(self.linear.bias, _logit(prior))
        if seen is not None:
            unseen = sorted(set(range(num_classes)) - set(seen))
            with torch.no_grad():
                self.linear.weight[unseen] = 0

    def forward(self, features: Tensor, seen_only: bool = False) -> tuple[Tensor, Tensor]:
        """Classifies.

        Args:
            features (Tensor): (..., C).
            seen_only (bool): Whether to give the logits of the seen classes only. Defaults to False.

        Returns:
            tuple[Tensor, Tensor]: Logits (..., num_classes), or (..., seen) where asked; the features themselves.
        """
        logits = self.linear(features)
        return logits[..., list(self.seen)] if seen_only and self.seen is not None else logits, features
