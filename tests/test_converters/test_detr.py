import json
import logging

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

import genvlkt_mmdet
from genvlkt_mmdet.apis.configs import read_config
from genvlkt_mmdet.converters import convert_detr, load_detr
from tests.shared import shared_path
from tests.test_models.tiny import CHANNELS, CLIP_DIMS, detector_cfg, layer_cfg

STAGES = 3  # layers of the DETR's decoder; the GEN-VLKT has 2


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')


def resnet():
    return dict(
        type='ResNet', depth=18, num_stages=4, base_channels=8, out_indices=(3,), norm_eval=True, style='pytorch'
    )


def neck():
    return dict(
        type='ChannelMapper', in_channels=[64], kernel_size=1, out_channels=CHANNELS, act_cfg=None, norm_cfg=None, num_outs=1
    )  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(dict(detector_cfg(backbone=resnet(), mimic=False), neck=neck())).eval()


@pytest.fixture
def detr():
    """mmdet's own DETR with the same backbone, encoder and widths."""
    torch.manual_seed(1)
    cfg = dict(
        type='DETR',
        num_queries=7,
        data_preprocessor=dict(type='DetDataPreprocessor'),
        backbone=resnet(),
        neck=neck(),
        encoder=dict(num_layers=2, layer_cfg=layer_cfg(cross=False)),
        decoder=dict(num_layers=STAGES, layer_cfg=layer_cfg(cross=True), return_intermediate=True),
        positional_encoding=dict(num_feats=CHANNELS // 2, normalize=True),
        bbox_head=dict(
            type='DETRHead',
            num_classes=4,
            embed_dims=CHANNELS,
            # mmdet writes into the default of this argument, so a second DETR needs its own.
            loss_cls=dict(type='CrossEntropyLoss', class_weight=1.0),
        ),
    )
    return MODELS.build(cfg).eval()


def official_names(state):
    """mmdet's names of a DETR as facebookresearch writes them, spelled out independently of the converter."""
    layer = {
        'self_attn.attn': 'self_attn',
        'self_attn.attn.out_proj': 'self_attn.out_proj',
        'cross_attn.attn': 'multihead_attn',
        'cross_attn.attn.out_proj': 'multihead_attn.out_proj',
        'ffn.layers.0.0': 'linear1',
        'ffn.layers.1': 'linear2',
        'norms.0': 'norm1',
        'norms.1': 'norm2',
        'norms.2': 'norm3',
    }
    rest = {
        'bbox_head.reg_ffn.layers.0.0': 'bbox_embed.layers.0', 'bbox_head.reg_ffn.layers.1': 'bbox_embed.layers.1',
        'bbox_head.fc_reg': 'bbox_embed.layers.2', 'bbox_head.fc_cls': 'class_embed', 'neck.convs.0.conv': 'input_proj',
        'decoder.post_norm': 'transformer.decoder.norm', 'query_embedding': 'query_embed',
    }  # fmt: skip
    result = {}
    for name, value in state.items():
        part, leaf = name.rsplit('.', 1)
        if name.startswith('backbone.'):
            if leaf == 'num_batches_tracked':
                continue  # frozen batch norm has none
            part = part.replace('backbone', 'backbone.0.body', 1)
        elif part in rest:
            part = rest[part]
        else:
            kind, _, index, inner = part.split('.', 3)
            part = f'transformer.{kind}.layers.{index}.{layer[inner]}'
        assert f'{part}.{leaf}' not in result
        result[f'{part}.{leaf}'] = value
    return result


def test_both_kinds_of_detr_become_the_same_weights(detr, model):
    theirs = detr.state_dict()
    from_mmdet, transfer = convert_detr(theirs, model.state_dict())
    from_official, official_transfer = convert_detr(official_names(theirs), model.state_dict())
    assert transfer.source == 'mmdet'
    assert official_transfer.source == 'facebookresearch'
    tracked = {name for name in from_mmdet if name.endswith('num_batches_tracked')}
    assert from_mmdet.keys() - tracked == from_official.keys()
    assert all(torch.equal(from_mmdet[name], value) for name, value in from_official.items())
    assert official_transfer.new == transfer.new


def test_both_decoders_and_box_heads_start_alike(detr, model):
    converted, _ = convert_detr(detr.state_dict(), model.state_dict())
    missing, unexpected = model.load_state_dict(converted, strict=False)
    assert not unexpected
    head = model.bbox_head
    for first, second in ((head.instance_decoder, head.interaction_decoder), (head.human_box_mlp, head.object_box_mlp)):
        pairs = zip(first.named_parameters(), second.parameters(), strict=True)
        assert all(torch.equal(a, b) for (_, a), b in pairs)
    theirs = detr.decoder
    assert torch.equal(
        head.instance_decoder.layers[1].ffn.layers[0][0].weight, theirs.layers[1].ffn.layers[0][0].weight
    )
    assert torch.equal(head.instance_decoder.post_norm.bias, theirs.post_norm.bias)
    x = torch.randn(3, CHANNELS)
    expected = detr.bbox_head.fc_reg(torch.relu(detr.bbox_head.reg_ffn(x)))
    torch.testing.assert_close(head.human_box_mlp(x), expected)


def test_transfer_tells_what_is_left_and_new(detr, model):
    state = detr.state_dict()
    converted, transfer = convert_detr(state, model.state_dict())
    third = {name for name in state if name.startswith('decoder.layers.2.')}
    assert set(transfer.left) == third | {'bbox_head.fc_cls.weight', 'bbox_head.fc_cls.bias'}
    assert third
    assert set(transfer.taken) == state.keys() - set(transfer.left)
    assert {name.split('.')[1] for name in transfer.new} == {'pair_embed', 'hoi_classifier', 'obj_classifier'}
    assert not set(transfer.new) & converted.keys()
    text = str(transfer)
    assert f'{len(transfer.taken)} tensors taken from the DETR (mmdet)' in text
    assert 'bbox_head.hoi_classifier' in text and 'bbox_head.fc_cls' in text


@pytest.mark.parametrize('rename', [dict, official_names])
def test_human_and_object_queries_start_from_the_first_of_detrs(detr, model, rename):
    state = detr.state_dict()
    converted, _ = convert_detr(rename(state), model.state_dict())
    for name in ('human_embed', 'object_embed'):
        assert torch.equal(converted[f'bbox_head.{name}.weight'], state['query_embedding.weight'][:6])


def test_too_few_queries_are_left(detr, model):
    state = detr.state_dict()
    state['query_embedding.weight'] = torch.zeros(5, CHANNELS)
    converted, transfer = convert_detr(state, model.state_dict())
    assert 'query_embedding.weight' in transfer.left
    assert {'bbox_head.human_embed.weight', 'bbox_head.object_embed.weight'} <= set(transfer.new)
    assert not set(transfer.new) & converted.keys()


@pytest.mark.parametrize('source', ['mmdet', 'facebookresearch'])
def test_encoder_memory_equals_detrs(detr, model, tmp_path, source):
    """After loading a file, our encoder sees what the DETR's sees, padded image included."""
    state = detr.state_dict()
    content = dict(state_dict=state, meta=dict(epoch=1)) if source == 'mmdet' else dict(model=official_names(state))
    path = tmp_path / 'detr.pth'
    torch.save(content, path)
    load_detr(model, str(path))

    samples = []
    for height, width in ((96, 128), (64, 100)):
        sample = genvlkt_mmdet.structures.HOIDataSample(metainfo=dict(img_shape=(height, width)))
        sample.set_metainfo(dict(batch_input_shape=(96, 128)))
        samples.append(sample)
    inputs = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        theirs = detr.pre_transformer(detr.extract_feat(inputs), samples)[0]
        expected = detr.forward_encoder(**theirs)['memory']
        encoded = model.encode(inputs, samples)
    assert torch.equal(encoded['memory_mask'], theirs['feat_mask'])
    torch.testing.assert_close(encoded['memory_pos'], theirs['feat_pos'])
    torch.testing.assert_close(encoded['memory'], expected, rtol=1e-4, atol=1e-5)


def test_another_architecture_names_both_tensors(detr, model):
    state = detr.state_dict()
    state['encoder.layers.0.norms.0.weight'] = torch.ones(CHANNELS + 1)
    with pytest.raises(
        ValueError, match=r'"encoder\.layers\.0\.norms\.0\.weight".*\(33,\).*\(32,\).*another architecture'
    ):
        convert_detr(state, model.state_dict())


def dp_hoi_names(state):
    """A pre-trained model of DP-HOI with these weights, in the names of its authors, and a second decoder that differs."""
    official = official_names(state)
    for name, value in list(official.items()):
        if name.startswith('transformer.decoder.'):
            new = value if name.startswith('transformer.decoder.norm.') else value + 1
            official[name.replace('.decoder.', '.interaction_decoder.')] = new
    width = CLIP_DIMS
    official |= {
        'action_class_fc.0.weight': torch.randn(width, CHANNELS), 'action_class_fc.0.bias': torch.randn(width),
        'action_class_fc.1.weight': torch.randn(width), 'action_class_fc.1.bias': torch.randn(width),
        'label_enc_od.weight': torch.randn(5, CHANNELS - 1), 'bbox_enc_od.layers.0.weight': torch.randn(CHANNELS, 4),
        'verb_class_kinetics700.weight': torch.randn(700, CHANNELS), 'verb_class_haa500.bias': torch.randn(500),
    }  # fmt: skip
    return official


def fine_tuning_start(official):
    """What DP-HOI's program makes of its model for GEN-VLKT, written from its description."""
    start = {}
    for name, value in official.items():
        name = name.replace('transformer.decoder.', 'transformer.instance_decoder.')
        start[name] = value
        if name.startswith('action_class_fc'):
            start[name.replace('action_class_fc', 'hoi_class_fc')] = value
        if name.startswith('bbox_embed'):
            start[name.replace('bbox_embed', 'hum_bbox_embed')] = start[
                name.replace('bbox_embed', 'obj_bbox_embed')
            ] = value
    return start | {'obj_class_embed.weight': torch.randn(5, CHANNELS), 'obj_class_embed.bias': torch.randn(5)}


def test_both_decoders_of_dp_hoi_have_their_place(detr, model):
    theirs = dp_hoi_names(detr.state_dict())
    converted, transfer = convert_detr(theirs, model.state_dict())
    assert transfer.source == 'DP-HOI'
    missing, unexpected = model.load_state_dict(converted, strict=False)
    assert not unexpected
    head = model.bbox_head
    one = theirs['transformer.decoder.layers.1.linear1.weight']
    assert torch.equal(head.instance_decoder.layers[1].ffn.layers[0][0].weight, one)
    assert torch.equal(head.interaction_decoder.layers[1].ffn.layers[0][0].weight, one + 1)
    assert torch.equal(head.interaction_decoder.post_norm.weight, theirs['transformer.interaction_decoder.norm.weight'])
    assert torch.equal(head.hoi_classifier.proj[0].weight, theirs['action_class_fc.0.weight'])
    assert torch.equal(head.hoi_classifier.proj[1].bias, theirs['action_class_fc.1.bias'])
    for mlp in (head.human_box_mlp, head.object_box_mlp):
        assert torch.equal(mlp[4].bias, theirs['bbox_embed.layers.2.bias'])
    assert {name.split('.')[0] for name in transfer.left} == {
        'class_embed', 'label_enc_od', 'bbox_enc_od', 'verb_class_kinetics700', 'verb_class_haa500', 'transformer',
    }  # fmt: skip
    # Of the transformer, only the third layers have no place.
    assert all('.layers.2.' in name for name in transfer.left if name.startswith('transformer.'))


def test_a_start_that_dp_hois_program_wrote_gives_the_same(detr, model):
    theirs = dp_hoi_names(detr.state_dict())
    converted, _ = convert_detr(theirs, model.state_dict())
    start, transfer = convert_detr(fine_tuning_start(theirs), model.state_dict())
    assert transfer.source == 'start for GEN-VLKT' and start.keys() == converted.keys()
    assert all(torch.equal(value, converted[name]) for name, value in start.items())


def test_another_clip_keeps_its_own_projection(detr, model):
    theirs = dp_hoi_names(detr.state_dict())
    theirs['action_class_fc.0.weight'] = torch.zeros(CLIP_DIMS + 1, CHANNELS)
    converted, transfer = convert_detr(theirs, model.state_dict())
    assert 'bbox_head.hoi_classifier.proj.0.weight' not in converted and 'action_class_fc.0.weight' in transfer.left


def test_a_trained_model_is_no_start(model):
    trained = {'transformer.instance_decoder.norm.weight': torch.ones(1), 'visual_projection.weight': torch.ones(1)}
    with pytest.raises(
        ValueError, match=r"is a trained model of the authors' code.*`genvlkt convert official` reads it"
    ):
        convert_detr(trained, model.state_dict())


def test_no_detr(model):
    with pytest.raises(ValueError, match='is no DETR'):
        convert_detr({'backbone.conv1.weight': torch.zeros(1)}, model.state_dict())


def test_missing_file_says_which_and_what_to_do(model):
    with pytest.raises(FileNotFoundError, match=r"'nowhere/detr\.pth' is missing.*model\.pretrained_detr=None"):
        load_detr(model, 'nowhere/detr.pth')


def test_loading_is_logged(detr, model, tmp_path, caplog):
    torch.save(detr.state_dict(), tmp_path / 'detr.pth')
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        transfer = load_detr(model, str(tmp_path / 'detr.pth'))
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(level)
    assert str(transfer) in caplog.text


@pytest.fixture(scope='module')
def dp_hoi_shapes():
    """Names and shapes of DP-HOI's pre-trained ResNet-50 model, without values: what it shares with GEN-VLKT, and its own."""
    shared = json.loads(shared_path('reference', 'manifest_hico_s.json').read_text())
    shapes = {}
    for name, entry in shared.items():
        if name.startswith(('backbone.', 'input_proj.', 'transformer.', 'hum_bbox_embed.', 'hoi_class_fc.')):
            name = name.replace('transformer.instance_decoder.', 'transformer.decoder.')
            shapes[name.replace('hum_bbox', 'bbox').replace('hoi_class_fc', 'action_class_fc')] = entry['shape']
    shapes |= {
        'query_embed.weight': (100, 256), 'class_embed.weight': (92, 256), 'class_embed.bias': (92,),
        'label_enc_od.weight': (92, 255), 'bbox_enc_od.layers.0.weight': (256, 4), 'bbox_enc_od.layers.0.bias': (256,),
        'bbox_enc_od.layers.1.weight': (256, 256), 'bbox_enc_od.layers.1.bias': (256,),
        'verb_class_kinetics700.weight': (700, 256), 'verb_class_kinetics700.bias': (700,),
        'verb_class_haa500.weight': (500, 256), 'verb_class_haa500.bias': (500,),
    }  # fmt: skip
    return {name: torch.empty(tuple(shape), device='meta') for name, shape in shapes.items()}


@pytest.mark.parametrize('config', ['gen_vlkt_s_hico', 'gen_vlkt_s_vcoco', 'hoiclip_hico', 'hoiclip_vcoco'])
def test_dp_hoi_at_its_true_size(dp_hoi_shapes, config):
    """Every shape fits the models that the authors fine-tune. What is new are the classifiers and what DP-HOI does not have."""
    with torch.device('meta'):
        state = MODELS.build(read_config(config).model).state_dict()
    converted, transfer = convert_detr(dp_hoi_shapes, state)
    assert transfer.source == 'DP-HOI'
    left = {name.split('.')[0] for name in transfer.left}
    own = {'class_embed', 'label_enc_od', 'bbox_enc_od', 'verb_class_kinetics700', 'verb_class_haa500'}
    new = {name.split('.')[1] for name in transfer.new}
    assert not {'instance_decoder', 'human_box_mlp', 'object_box_mlp', 'human_embed', 'object_embed'} & new
    assert all(name.startswith('bbox_head.') for name in transfer.new)
    if config.startswith('gen'):
        assert left == own and new == {'pair_embed', 'hoi_classifier', 'obj_classifier'}
        assert not any(name.startswith('bbox_head.hoi_classifier.proj') for name in transfer.new)
    else:
        assert left == own | {'transformer', 'action_class_fc'}
        assert all('interaction_decoder' in n for n in transfer.left if n.startswith('transformer.'))
