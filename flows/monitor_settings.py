"""From when on `recloop monitor` warns, and from when on it says drift: RECLOOP_MONITOR_*."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Threshold

_DEFAULT = MonitorLimits()


class MonitorSettings(BaseSettings):
    """What `Settings` has of monitoring. `…_warn` and `…_drift` are the two bounds of one measure."""

    monitor_psi_warn: float = Field(default=_DEFAULT.psi.warn, gt=0)
    monitor_psi_drift: float = Field(default=_DEFAULT.psi.drift, gt=0)
    monitor_new_share_warn: float = Field(default=_DEFAULT.new_share.warn, gt=0, le=1)
    monitor_new_share_drift: float = Field(default=_DEFAULT.new_share.drift, gt=0, le=1)
    monitor_missing_rise_warn: float = Field(default=_DEFAULT.missing_rise.warn, gt=0, le=1)
    monitor_missing_rise_drift: float = Field(default=_DEFAULT.missing_rise.drift, gt=0, le=1)
    monitor_perplexity_fall_warn: float = Field(default=_DEFAULT.perplexity_fall.warn, gt=0, le=1)
    monitor_perplexity_fall_drift: float = Field(default=_DEFAULT.perplexity_fall.drift, gt=0, le=1)
    monitor_collision_rise_warn: float = Field(default=_DEFAULT.collision_rise.warn, gt=0, le=1)
    monitor_collision_rise_drift: float = Field(default=_DEFAULT.collision_rise.drift, gt=0, le=1)
    monitor_error_rise_warn: float = Field(default=_DEFAULT.error_rise.warn, gt=0)
    monitor_error_rise_drift: float = Field(default=_DEFAULT.error_rise.drift, gt=0)
    monitor_metric_fall_warn: float = Field(default=_DEFAULT.metric_fall.warn, gt=0, le=1)
    monitor_metric_fall_drift: float = Field(default=_DEFAULT.metric_fall.drift, gt=0, le=1)
    monitor_min_events: int = Field(default=_DEFAULT.min_events, ge=2)
    monitor_min_users: int = Field(default=_DEFAULT.min_users, ge=2)
    monitor_min_items: int = Field(default=_DEFAULT.min_items, ge=2)
    monitor_alpha: float = Field(default=_DEFAULT.alpha, gt=0, le=0.1)  # chance of a false alarm, by measure
    monitor_users: int = Field(default=400, ge=2)  # at most so many are asked for lists, drawn by seed

    @field_validator(
        *(
            f"monitor_{f.name}_drift"
            for f in fields(MonitorLimits)
            if f.name not in ("min_events", "min_users", "min_items", "alpha")
        )
    )
    @classmethod
    def _not_below_warn(cls, drift: float, info: ValidationInfo) -> float:
        warn = info.data.get(str(info.field_name).removesuffix("drift") + "warn", drift)
        if drift < warn:
            raise ValueError(f"{drift:g} is below where the measure warns, {warn:g}")
        return drift

    @property
    def monitor_limits(self) -> MonitorLimits:
        """What the measures are held to."""
        asked: dict[str, Any] = {
            field.name: Threshold(
                warn=getattr(self, f"monitor_{field.name}_warn"),
                drift=getattr(self, f"monitor_{field.name}_drift"),
            )
            if isinstance(getattr(_DEFAULT, field.name), Threshold)
            else getattr(self, f"monitor_{field.name}")
            for field in fields(MonitorLimits)
        }
        return MonitorLimits(**asked)
