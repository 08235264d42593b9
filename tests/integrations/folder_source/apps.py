from django.apps import AppConfig


class FolderSourceConfig(AppConfig):
    name = "tests.integrations.folder_source"
    label = "folder_source"

    def ready(self):
        from apps.integrations.sources.base import register
        from tests.integrations.folder_source.source import Folder

        register(Folder())
