"""The operator's file as frozen models; its faults in the operator's words."""

from vestibule.config.load import load
from vestibule.config.models import Configuration

__all__ = ["Configuration", "load"]
