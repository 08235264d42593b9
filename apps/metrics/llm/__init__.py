"""Read pull requests with a language model: the prompt, the checks of the answers, and
the costs.
"""
