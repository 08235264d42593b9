"""The addresses that webhooks call, and each delivery once. The rows are written by the
source's own `Hook`.

It imports `encryption`, `sources`, and models. Start with `views`, then `handling`.
"""
