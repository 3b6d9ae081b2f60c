"""The scaled exponential integral e^x E₁(x), which torch does not have, with its derivative. M. Abramowitz, I. A. Stegun, 5.1.11 and 5.1.22."""
from __future__ import annotations

import torch
from torch import Tensor

_EULER = 0.5772156649015329
_SWITCH = 2.0
_SERIES = 28  # terms: 2^k / (k k!) < 1e-17
_FRACTION = 60  # levels: 1e-15 from x = 2 on


def _value(x: Tensor) -> Tensor:
    low, high = x.clamp_max(_SWITCH), x.clamp_min(_SWITCH)
    series, power = -_EULER - torch.log(low), -torch.ones_like(low)
    for k in range(1, _SERIES + 1):
        power = -power * low / k if k > 1 else low
        series = series + power / k
    fraction = torch.zeros_like(high)
    for k in range(_FRACTION, 0, -1):
        fraction = k * k / (high + (2 * k + 1) - fraction)
    return torch.where(x < _SWITCH, series * torch.exp(low), 1 / (high + 1 - fraction))


class _Scaled(torch.autograd.Function):
    """e^x E₁(x), or with the logarithm of x added; d/dx (e^x E₁) = e^x E₁ − 1/x."""

    @staticmethod
    def forward(context, x: Tensor, with_log: bool) -> Tensor:
        value = _value(x)
        context.save_for_backward(x, value)
        context.with_log = with_log
        return value + torch.log(x) if with_log else value

    @staticmethod
    def backward(context, slope: Tensor) -> tuple[Tensor, None]:
        x, value = context.saved_tensors
        return slope * (value if context.with_log else value - 1 / x), None


def scaled_exponential_integral(x: Tensor) -> Tensor:
    """e^x E₁(x) for x > 0, to 1e-14 of itself; differentiable once."""
    return _Scaled.apply(x, False)


def scaled_exponential_integral_and_log(x: Tensor) -> Tensor:
    """e^x E₁(x) + ln x, whose slope e^x E₁(x) stays right where x is so small that 1/x − 1/x would not."""
    return _Scaled.apply(x, True)
