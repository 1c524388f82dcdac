"""On what a network is trained, and ranks: device, precision of matrix products, compiled or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # settings of a server hold one, and are read before torch is needed
    import torch


class DeviceUnavailable(Exception):
    """The configured device is not on this machine."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """CPU in float32 unless told otherwise. Weights and optimizer stay float32 in bf16 too."""

    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False  # torch.compile what reads the histories; pays on a GPU

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ValueError(f"device is {self.device!r}; it is 'cpu' or 'cuda'")
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision is {self.precision!r}; it is 'fp32' or 'bf16'")

    def usable_device(self) -> torch.device:
        """Raises DeviceUnavailable for cuda where torch sees none."""
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise DeviceUnavailable(
                "device is 'cuda', but torch sees no CUDA GPU here: set RECLOOP_DEVICE=cpu, or install a CUDA build "
                "of torch and its driver"
            )
        return torch.device(self.device)

    def autocast(self) -> torch.autocast:
        """The context of a forward pass."""
        import torch

        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")


ON_CPU = Compute()
