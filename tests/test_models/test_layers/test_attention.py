import pytest
import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from torch.nn import functional

from genvlkt_mmdet.models.layers import FusedMultiheadAttention


@pytest.fixture
def blocks():
    """mmcv's block and ours with the same weights; biases that are not zero."""
    torch.manual_seed(0)
    # mmcv's default `dropout_layer` is one dict for all blocks, and building a block with dropout writes into it.
    no_dropout = dict(type='Dropout', drop_prob=0.0)
    theirs = MultiheadAttention(16, 4, batch_first=True, dropout_layer=no_dropout)
    ours = FusedMultiheadAttention(16, 4)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs.eval(), ours.eval()


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('training', [False, True])
def test_equals_mmcvs_attention(blocks, masked, training):
    theirs, ours = (block.train(training) for block in blocks)
    query, query_pos = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    memory, memory_pos = torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    mask = torch.zeros(2, 7, dtype=torch.bool)
    mask[1, 4:] = True
    kwargs = dict(query_pos=query_pos, key_pos=memory_pos, key_padding_mask=mask if masked else None)
    expected = theirs(query, memory, memory, **kwargs)
    torch.testing.assert_close(ours(query, memory, memory, **kwargs), expected, rtol=1e-4, atol=5e-5)
    torch.testing.assert_close(
        ours(query, query_pos=query_pos), theirs(query, query_pos=query_pos), rtol=1e-4, atol=5e-5
    )


def test_what_the_mask_hides_has_no_influence(blocks):
    _, ours = blocks
    query, memory = torch.randn(1, 3, 16), torch.randn(1, 6, 16)
    mask = torch.tensor([[False] * 4 + [True] * 2])
    changed = memory.clone()
    changed[:, 4:] = 1e3
    out = ours(query, memory, memory, key_padding_mask=mask)
    torch.testing.assert_close(ours(query, changed, changed, key_padding_mask=mask), out)
    torch.testing.assert_close(ours(query, memory[:, :4], memory[:, :4]), out)


def test_what_the_mask_of_a_query_hides_has_no_influence_on_it(blocks):
    _, ours = blocks
    query, memory = torch.randn(2, 3, 16), torch.randn(2, 6, 16)
    mask = torch.zeros(2, 3, 6, dtype=torch.bool)
    mask[0, 1, 2:] = True
    mask[1, :, 5] = True
    out = ours(query, memory, memory, attn_mask=mask)
    torch.testing.assert_close(out[0, 1], ours(query[:1, 1:2], memory[:1, :2], memory[:1, :2])[0, 0])
    torch.testing.assert_close(out[1:], ours(query[1:], memory[1:, :5], memory[1:, :5]))
    torch.testing.assert_close(out[0, [0, 2]], ours(query, memory, memory)[0, [0, 2]])
    padding = torch.zeros(2, 6, dtype=torch.bool)
    padding[0, 0] = True
    both = ours(query, memory, memory, attn_mask=mask, key_padding_mask=padding)
    torch.testing.assert_close(both[0, 1], ours(query[:1, 1:2], memory[:1, 1:2], memory[:1, 1:2])[0, 0])


def test_product_is_the_fused_one(blocks, monkeypatch):
    _, ours = blocks
    calls = []
    fused = functional.scaled_dot_product_attention
    monkeypatch.setattr(functional, 'scaled_dot_product_attention', lambda *a, **k: calls.append(1) or fused(*a, **k))
    ours(torch.randn(1, 3, 16))
    assert calls == [1]


def test_dropout_acts_on_weights_and_output_in_training_only():
    torch.manual_seed(0)
    block = FusedMultiheadAttention(16, 4, dropout=0.5)
    assert block.attn.dropout == 0.5
    assert block.dropout_layer.p == 0.5
    query = torch.randn(1, 3, 16)
    assert not torch.equal(block(query), block(query))
    block.eval()
    assert torch.equal(block(query), block(query))
