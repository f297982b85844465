"""A real Kubernetes for the demo and the tests: kind, or one built here where Docker is missing.

Only the standard library is used: `cluster.py` has to run before any environment exists.
"""
