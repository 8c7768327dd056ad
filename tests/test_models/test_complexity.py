import pytest
import torch
from mmengine.config import Config

from genvlkt_mmdet.engine import build_model
from genvlkt_mmdet.models.complexity import complexity_table, model_complexity
from tests.processes import REPO
from tests.test_models.tiny import build_detector

SIZE = 800, 1066


@pytest.fixture(scope='module')
def gen_vlkt_s():
    return build_model(Config.fromfile(REPO / 'configs' / 'gen_vlkt_s_hico.py'))


def test_gen_vlkt_s_equals_a_count_by_hand(gen_vlkt_s):
    parts = {part.name: part for part in model_complexity(gen_vlkt_s, SIZE)}
    tokens, channels, hidden, queries, layers = 25 * 34, 256, 2048, 64, 3  # feature map of stride 32, rounded up

    def attention(num_queries, num_keys):
        """Projections of queries and output, of keys and values, and the two products of the attention."""
        return 4 * num_queries * channels**2 + 4 * num_keys * channels**2 + 4 * num_queries * num_keys * channels

    def ffn(number):
        return 4 * number * channels * hidden

    assert parts['encoder'].flops == 6 * (attention(tokens, tokens) + ffn(tokens))
    for name, number in (('instance decoder', 2 * queries), ('interaction decoder', queries)):
        layer = attention(number, number) + attention(number, tokens) + ffn(number)
        assert parts[name].flops == pytest.approx(layers * layer, rel=1e-3)
    classifiers = queries * (2 * channels * 512 + 2 * 512 * 600) + queries * (2 * channels * 512 + 2 * 512 * 81)
    boxes = 2 * queries * (2 * 2 * channels**2 + 2 * channels * 4)
    assert parts['heads'].flops == pytest.approx(classifiers + boxes, rel=1e-3)
    assert parts['neck'].flops == 2 * tokens * 2048 * channels

    weights = 4 * channels**2 + 4 * channels  # of an attention
    norm, mlp = 2 * channels, 2 * channels * hidden + hidden + channels
    assert parts['encoder'].parameters == 6 * (weights + mlp + 2 * norm)
    # the 23.5 million of a ResNet-50 without its classifier, of which the stem, the first stage and all norms are frozen
    assert parts['backbone'].parameters == 23_508_032
    first_stage = 64 * 64 + 64 * 64 * 9 + 64 * 256 + 64 * 256 + 2 * (256 * 64 + 64 * 64 * 9 + 64 * 256)
    norms = sum(m.weight.numel() * 2 for m in gen_vlkt_s.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert parts['backbone'].frozen == 3 * 64 * 49 + first_stage + norms


def test_sum_and_scale(gen_vlkt_s):
    *parts, total = model_complexity(gen_vlkt_s, SIZE)
    assert total.parameters == sum(p.numel() for p in gen_vlkt_s.parameters()) - sum(
        p.numel() for p in gen_vlkt_s.bbox_head.loss_mimic.parameters()
    )
    assert total.flops == sum(part.flops for part in parts)
    assert total.trained == sum(part.trained for part in parts) and all(part.flops > 0 for part in parts)
    assert next(gen_vlkt_s.parameters()).device.type == 'cpu', 'the model is as before'
    backbones = [model_complexity(gen_vlkt_s, size)[0].flops for size in ((64, 64), (128, 128))]
    assert backbones[1] == 4 * backbones[0]
    table = complexity_table([*parts, total])
    assert f'| encoder             | 7.89           | 7.89        | 0.00       | {parts[2].flops / 1e9:.2f}' in table


def test_small_detector_and_wrong_arguments():
    model = build_detector()
    assert (
        model_complexity(model, (64, 96))[0].flops == 2 * 6 * 3 * 32 * 32 * 32
    )  # six cells, 32 x 32 x 3 to 32 channels
    with pytest.raises(ValueError, match='at least 1 x 1, not 0 x 5'):
        model_complexity(model, (0, 5))
    with pytest.raises(ValueError, match='not those of a Linear'):
        model_complexity(torch.nn.Linear(1, 1), (8, 8))
