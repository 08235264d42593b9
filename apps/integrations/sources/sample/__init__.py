"""The sample organization, which this installation serves itself at SAMPLE_URL. It is
GitHub at another address.

It imports `sources.github` and `sources.base`. Start with `source`.
"""

# The key of this source. Its repositories' rows are those of GitHub.
KEY = "sample"
