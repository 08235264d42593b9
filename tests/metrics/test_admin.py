from django.contrib import admin


def test_the_admin_names_no_model_by_a_word_that_is_none():
    named = {str(model._meta.verbose_name_plural) for model in admin.site._registry}
    wrong = {name for name in named if name.endswith(("ys", "ss")) and name != "keys"}
    assert not wrong
