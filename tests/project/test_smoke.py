def test_settings_load(settings):
    assert settings.STATE_DIR.is_dir()
