"""The names of the web sites that links of pull requests lead to.

name_site("github", "GitHub")    # once, for each source of repositories
site_of("github")                # "GitHub"; "its source" of an unknown one
"""

_names: dict[str, str] = {}


def name_site(source: str, name: str) -> None:
    """Set the name of the site for repositories of this source."""
    _names[source] = name


def site_of(source: str) -> str:
    """Return the name of the site for repositories of a source."""
    return _names.get(source, "its source")
