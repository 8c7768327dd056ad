"""Times the prediction of a model, as a whole and by stage, beside a plain reading of it and mmdet's DETR.

All have random weights. A call starts with images of 8 bits in memory and ends with triplets or boxes. In half precision the
package's model is cast, and the others run under autocast.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import common
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from plain_model import PlainGENVLKT
from torch import nn

from genvlkt_mmdet.engine import command
from genvlkt_mmdet.models import optimize_for_inference
from genvlkt_mmdet.structures import HOIDataSample

ORIGINAL = (480, 640)  # height and width that boxes are scaled to


def batch_of(setting: common.Setting, kind: type[DetDataSample]) -> dict[str, Any]:
    """A batch as a data loader gives it."""
    height, width = setting.size
    meta = dict(img_shape=setting.size, ori_shape=ORIGINAL, scale_factor=(width / ORIGINAL[1], height / ORIGINAL[0]))
    images = setting.images()
    return dict(inputs=images, data_samples=[kind(metainfo=meta) for _ in images])


def cast(model: nn.Module, setting: common.Setting) -> nn.Module:
    """The model in the precision of the setting."""
    return model.to(common.DTYPES[setting.dtype])


def genvlkt(
    setting: common.Setting, prepare: Callable[[nn.Module, common.Setting], nn.Module] = cast
) -> common.Candidate:
    """The package's model, prepared for prediction."""
    model = prepare(common.build_model(setting.cfg, setting.device).eval(), setting)
    data, head = batch_of(setting, HOIDataSample), model.bbox_head
    stages = {
        'preprocessing': [(model.data_preprocessor, 'forward')],
        'backbone': [(model, 'extract_feat')],
        'encoder': [(model, 'encode')],
        'instance decoder': [(head.instance_decoder, 'forward')],
        'interaction decoder': [(head.interaction_decoder, 'forward')],
        'heads': [(head, 'forward')],
        'post-processing': [(head, 'predict_by_feat')],
    }
    parts = (model.backbone, model.neck, model.encoder, head.instance_decoder, head.interaction_decoder)
    return common.Candidate(torch.no_grad()(lambda: model.test_step(data)), stages, parts)


def plain(setting: common.Setting) -> common.Candidate:
    """The plain reading, with the same weights."""
    weights = common.build_model(setting.cfg, setting.device).state_dict()
    model = PlainGENVLKT(setting.cfg.model, weights).to(setting.device).eval()
    preprocessor = MODELS.build(setting.cfg.model.data_preprocessor).to(setting.device)
    data = batch_of(setting, HOIDataSample)
    sizes = [setting.size] * setting.batch

    @torch.no_grad()
    def call() -> list:
        images = preprocessor(data, False)['inputs']
        with setting.autocast():
            outputs = model(images, sizes)
        return model.predict(outputs, [ORIGINAL] * setting.batch)

    stages = {
        'preprocessing': [(preprocessor, 'forward')],
        'backbone': [(model.backbone, 'forward'), (model.neck, 'forward')],
        'encoder': [(model, 'positions'), (model.encoder, 'forward')],
        'instance decoder': [(model.instance_decoder, 'forward')],
        'interaction decoder': [(model.interaction_decoder, 'forward')],
        'heads': [(model, 'forward')],
        'post-processing': [(model, 'predict')],
    }
    return common.Candidate(call, stages)


def detr(setting: common.Setting) -> common.Candidate:
    """The DETR of mmdet. Its only decoder stands in the row of the instance decoder."""
    model = common.build_model(common.detr_config(), setting.device).eval()
    data = batch_of(setting, DetDataSample)

    @torch.no_grad()
    def call() -> list:
        with setting.autocast():
            return model.test_step(data)

    stages = {
        'preprocessing': [(model.data_preprocessor, 'forward')],
        'backbone': [(model, 'extract_feat')],
        'encoder': [(model, 'pre_transformer'), (model, 'forward_encoder')],
        'instance decoder': [(model, 'forward_decoder')],
        'heads': [(model.bbox_head, 'forward')],
        'post-processing': [(model.bbox_head, 'predict_by_feat')],
    }
    return common.Candidate(call, stages)


def optimize(model: nn.Module, setting: common.Setting) -> nn.Module:
    """The model as :class:`HOIInferencer` uses it."""
    return optimize_for_inference(model, 'float32' if setting.dtype == 'tf32' else setting.dtype)


CANDIDATES = {
    'genvlkt': partial(genvlkt, prepare=optimize),
    'genvlkt as trained': genvlkt,
    'plain': plain,
    'DETR R-50': detr,
}


@command(OSError)
def main() -> None:
    """Entry point."""
    parser = common.parser(__doc__, batch_size=[1])
    parser.add_argument('--sizes', nargs='+', type=common.size, default=[(800, 1066), (800, 1333)])
    args = parser.parse_args()
    common.run('inference', CANDIDATES, args, args.sizes)


if __name__ == '__main__':
    main()
