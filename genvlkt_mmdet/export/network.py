"""The network of a detector in a form that torch.export can write down."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..models import GENVLKT, TextClassifier
from ..models.layers.folding import folded

#: The inputs of an exported network, in order. The last four are the weights and biases of the classes.
INPUTS = ('images', 'image_sizes', 'hoi_weight', 'hoi_bias', 'obj_weight', 'obj_bias')
#: Its outputs, in order.
OUTPUTS = ('hoi_logits', 'obj_logits', 'human_boxes', 'object_boxes', 'hoi_embeds')


class ExportableNetwork(nn.Module):
    """Everything between the normalised images and the selection of triplets, with the class weights as inputs.

    Batch norm is folded into the convolutions.

    Args:
        model (GENVLKT): The model, in float32.
    """

    def __init__(self, model: GENVLKT) -> None:
        super().__init__()
        self.backbone, self.neck = folded(model.backbone), folded(model.neck)
        self.encoder, self.positional_encoding, self.head = model.encoder, model.positional_encoding, model.bbox_head

    def forward(
        self,
        images: Tensor,
        image_sizes: Tensor,
        hoi_weight: Tensor,
        hoi_bias: Tensor,
        obj_weight: Tensor,
        obj_bias: Tensor,
    ) -> tuple[Tensor, ...]:
        """Runs the network.

        Args:
            images (Tensor): Normalised images, padded right and below, (B, 3, H, W).
            image_sizes (Tensor): Height and width of each image without its padding, (B, 2) int64.
            hoi_weight (Tensor): Class weights of the HOI classes, (A, D), see :func:`class_weights`.
            hoi_bias (Tensor): (A,).
            obj_weight (Tensor): Class weights of the object logits, (O, D).
            obj_bias (Tensor): (O,).

        Returns:
            tuple[Tensor, ...]: ``hoi_logits`` (B, Q, A), ``obj_logits`` (B, Q, O), ``human_boxes`` and ``object_boxes``
            (B, Q, 4) cxcywh in [0, 1] of the unpadded image, ``hoi_embeds`` (B, Q, D) before L2 normalisation.
        """
        features = self.neck(self.backbone(images))[-1]
        mask = _padding_mask(image_sizes, images.shape[-2:], features.shape[-2:])
        pos = self.positional_encoding(mask).flatten(2).transpose(1, 2)
        encoded = (pos, mask.flatten(1))
        memory = self.encoder(features.flatten(2).transpose(1, 2), *encoded)
        head = self.head
        human, obj = head._decode_instances(memory, *encoded)
        interactions = head.interaction_decoder(head._interaction_pos(human, obj), memory, *encoded)[-1]
        human, obj = human[-1], obj[-1]
        hoi_logits, hoi_embeds = _classify(head.hoi_classifier, interactions, hoi_weight, hoi_bias)
        obj_logits, _ = _classify(head.obj_classifier, obj, obj_weight, obj_bias)
        boxes = head.human_box_mlp(human).sigmoid(), head.object_box_mlp(obj).sigmoid()
        return hoi_logits, obj_logits, *boxes, hoi_embeds


def _padding_mask(sizes: Tensor, shape: torch.Size, feature_shape: torch.Size) -> Tensor:
    """True where the features are padding, (B, h, w): the nearest neighbour of the mask of the pixels, as in the model."""
    outside = []
    for side in (0, 1):
        cells = torch.arange(feature_shape[side], device=sizes.device).float()
        step = torch.scalar_tensor(shape[side]) / torch.scalar_tensor(feature_shape[side])
        outside.append((cells * step).floor() >= sizes[:, side, None].float())
    return outside[0][:, :, None] | outside[1][:, None, :]


def _classify(classifier: nn.Module, features: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    if not isinstance(classifier, TextClassifier):
        return features @ weight.t() + bias, features
    embeds = classifier.proj(features)
    return classifier.logit_scale.exp() * (normalize(embeds, dim=-1) @ weight.t() + bias), embeds
