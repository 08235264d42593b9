"""Reading pull requests with a language model: what is asked, how it is checked, what
it costs.
"""
