"""Training in bfloat16."""

import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper

from genvlkt_mmdet.engine import BFloat16OptimWrapper


def small_step(kind: str) -> tuple[torch.dtype, torch.Tensor]:
    """Precision of the output of a linear layer under the wrapper, and the layer's weights after a step."""
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    wrapper = build_optim_wrapper(model, dict(type=kind, optimizer=dict(type='SGD', lr=0.5)))
    with wrapper.optim_context(model):
        output = model(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    wrapper.update_params(output.float().sum())
    return output.dtype, model.weight.detach()


def test_the_forward_pass_is_in_bfloat16_and_the_weights_in_float32():
    dtype, weight = small_step('BFloat16OptimWrapper')
    expected_dtype, expected = small_step('OptimWrapper')
    assert (dtype, expected_dtype) == (torch.bfloat16, torch.float32)
    assert weight.dtype == torch.float32
    # The gradient of the sum is the input, 1 to 4, which bfloat16 holds exactly.
    torch.testing.assert_close(weight, expected, rtol=0, atol=0)
    assert issubclass(BFloat16OptimWrapper, OptimWrapper)
