"""Checks the name of a device."""

import torch
from mmengine.device import get_device


def check_device(device: str | None) -> str:
    """Checks that a device can be used.

    Args:
        device (str, optional): Name such as ``'cpu'`` or ``'cuda:0'``. None: the best available device.

    Returns:
        str: The name.

    Raises:
        ValueError: If there is no such device.
    """
    if device is None:
        return get_device()
    try:
        if torch.device(device).type == 'meta':  # has shapes, but no values
            raise ValueError
        torch.empty(1, device=device)
    # depending on its build, torch also raises AssertionError or NotImplementedError
    except Exception as error:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        known = ['cpu', *(f'cuda:{i}' for i in range(count))]
        raise ValueError(f"The device '{device}' cannot be used here: take one of {', '.join(known)}.") from error
    return str(device)
