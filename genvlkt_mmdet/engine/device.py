"""One check of a device's name for all tools."""

import torch
from mmengine.device import get_device


def check_device(device: str | None) -> str:
    """Makes sure that a device can be used before anything is loaded for it.

    Args:
        device (str, optional): Name such as ``'cpu'`` or ``'cuda:0'``; None takes the best available.

    Returns:
        str: The name.

    Raises:
        ValueError: If there is no such device here.
    """
    if device is None:
        return get_device()
    try:
        if torch.device(device).type == 'meta':  # holds shapes, no numbers
            raise ValueError
        torch.empty(1, device=device)
    # torch raises AssertionError or NotImplementedError, too, depending on what it was built with
    except Exception as error:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        known = ['cpu', *(f'cuda:{i}' for i in range(count))]
        raise ValueError(f"The device '{device}' cannot be used here: take one of {', '.join(known)}.") from error
    return str(device)
