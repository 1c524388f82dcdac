"""Where the weights of a bundle's arm begin, where that is at another bundle's: what a version carries of its chain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """Training began at the weights of a registered version. Versions are numbered as the registry did then."""

    bundle: str  # digest of the version's bundle, which holds the weights
    version: str
    cold_version: str  # the last of the chain whose training began at no weights
    length: int  # warm starts since that one, this one included
    epochs: int
    cold_epochs: int  # that the preset takes from no weights

    @property
    def told(self) -> str:
        chain = "first warm start" if self.length == 1 else f"chain of {self.length} warm starts"
        return (
            f"weights begin at version {self.version}, {self.epochs} of {self.cold_epochs} epochs, {chain} since the "
            f"cold version {self.cold_version}"
        )
