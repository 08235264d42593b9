"""Shared fixtures. The environment is put in order by tests/settings.py, before Django loads."""
