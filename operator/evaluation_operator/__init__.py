"""Continuous evaluation of served models on Kubernetes."""

__version__ = "0.1.0"
