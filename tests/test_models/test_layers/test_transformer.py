import pytest
import torch
from mmdet.models.layers.transformer import DetrTransformerEncoder
from torch import nn

from genvlkt_mmdet.models.layers import GuidedDecoder, HOITransformerEncoder
from tests.test_models.tiny import CHANNELS, layer_cfg


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return GuidedDecoder(num_layers=3, layer_cfg=layer_cfg(cross=True)).eval()


@pytest.fixture
def memory():
    torch.manual_seed(1)
    mask = torch.zeros(2, 9, dtype=torch.bool)
    mask[1, 6:] = True
    return torch.randn(2, 9, CHANNELS), torch.randn(2, 9, CHANNELS), mask


def test_decoder_against_torchs_layers(decoder, memory):
    """The same weights in ``nn`` modules, put together by DETR's recipe: zero queries, post-norm, one final norm."""
    values, pos, mask = memory
    query_pos = torch.randn(3, 2, 5, CHANNELS)
    query = torch.zeros(2, 5, CHANNELS)
    expected = []
    for layer, layer_pos in zip(decoder.layers, query_pos, strict=True):
        attend = nn.MultiheadAttention(CHANNELS, 4, batch_first=True)
        attend.load_state_dict(layer.self_attn.attn.state_dict())
        query = layer.norms[0](query + attend(query + layer_pos, query + layer_pos, query)[0])
        attend.load_state_dict(layer.cross_attn.attn.state_dict())
        query = layer.norms[1](query + attend(query + layer_pos, values + pos, values, key_padding_mask=mask)[0])
        hidden = layer.ffn.layers[0][0](query).relu()
        query = layer.norms[2](query + layer.ffn.layers[1](hidden))
        expected.append(decoder.post_norm(query))
    torch.testing.assert_close(decoder(query_pos, *memory), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_queries_are_a_set(decoder, memory):
    query_pos = torch.randn(3, 2, 5, CHANNELS)
    order = torch.randperm(5)
    permuted = decoder(query_pos[:, :, order], *memory)
    torch.testing.assert_close(permuted, decoder(query_pos, *memory)[:, :, order], rtol=1e-4, atol=1e-5)


def test_memory_is_a_set_with_positions(decoder, memory):
    values, pos, mask = memory
    query_pos = torch.randn(3, 2, 5, CHANNELS)
    order = torch.randperm(9)
    permuted = decoder(query_pos, values[:, order], pos[:, order], mask[:, order])
    torch.testing.assert_close(permuted, decoder(query_pos, values, pos, mask), rtol=1e-4, atol=1e-5)


def test_each_layer_reads_its_own_positions(decoder, memory):
    query_pos = torch.randn(3, 2, 5, CHANNELS)
    before = decoder(query_pos, *memory)
    query_pos[1] += 1
    after = decoder(query_pos, *memory)
    assert torch.equal(before[0], after[0])
    assert not torch.allclose(before[1], after[1])


def test_a_layer_without_its_positions_is_an_error(decoder, memory):
    with pytest.raises(ValueError, match='zip'):
        decoder(torch.zeros(2, 2, 5, CHANNELS), *memory)


def test_encoder_equals_mmdets(memory):
    values, pos, mask = memory
    theirs = DetrTransformerEncoder(num_layers=2, layer_cfg=layer_cfg(cross=False)).eval()
    ours = HOITransformerEncoder(num_layers=2, layer_cfg=layer_cfg(cross=False)).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    for hidden in (None, mask):
        torch.testing.assert_close(ours(values, pos, hidden), theirs(values, pos, hidden), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', [HOITransformerEncoder, GuidedDecoder])
def test_matrices_start_xavier_uniform(kind):
    torch.manual_seed(0)
    module = kind(num_layers=1, layer_cfg=layer_cfg(cross=kind is GuidedDecoder))
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.constant_(parameter, 9.0)
    module.init_weights()
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            fan_out, fan_in = parameter.shape
            bound = (6 / (fan_in + fan_out)) ** 0.5
            assert parameter.abs().max() <= bound, name
            # Uniform on [-b, b] has standard deviation b / sqrt(3).
            assert parameter.std().item() == pytest.approx(bound / 3**0.5, rel=0.1), name


def test_checkpointing_gives_the_same_gradients():
    torch.manual_seed(0)
    encoder, decoder = HOITransformerEncoder(2, layer_cfg(False)), GuidedDecoder(2, layer_cfg(True))
    pos, query_pos = torch.randn(1, 6, CHANNELS), torch.randn(2, 1, 4, CHANNELS)
    results = []
    for with_cp in (False, True):
        encoder.with_cp = decoder.with_cp = with_cp
        memory = torch.ones(1, 6, CHANNELS, requires_grad=True)
        output = decoder(query_pos, encoder(memory, pos, None), pos, None)
        output.square().sum().backward()
        results.append((output, memory.grad))
    for kept, computed_again in zip(*results, strict=True):
        torch.testing.assert_close(kept, computed_again, rtol=0, atol=0)
