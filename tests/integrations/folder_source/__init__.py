"""A complete third source, as someone would add it: pull requests from JSON files in a
folder. It is an app of its own, so that no module of the product has to be touched.
"""
