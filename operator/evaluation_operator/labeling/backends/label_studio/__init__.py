"""Label Studio as the tool that people label with, over its REST API."""

from evaluation_operator.labeling.backends.label_studio.backend import LabelStudio

__all__ = ["LabelStudio"]
