"""The check that refuses functions, methods, and classes without a caller."""

from scripts.check_dead_code import unused

MODULE = """
class Reader:
    def read(self):
        return 1

    def forgotten(self):
        return 2


def in_a_template():
    return 3


def by_a_path():
    return 4


def also_forgotten():
    return Reader().read()
"""


def test_names_without_a_caller_are_listed(tmp_path):
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "reader.py").write_text(MODULE)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "settings.py").write_text('print("apps.reader.by_a_path")')
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("{{ in_a_template }}")
    assert list(unused(tmp_path)) == [
        "apps/reader.py:6: unused method 'forgotten'",
        "apps/reader.py:18: unused function 'also_forgotten'",
    ]


def test_all_names_have_a_caller():
    assert list(unused()) == []
