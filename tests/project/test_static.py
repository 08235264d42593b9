import asyncio
from pathlib import Path

from django.contrib.staticfiles import finders

ADMIN_CSS = "admin/css/base.css"


def content(path):
    return Path(finders.find(path)).read_bytes()


def test_a_static_file_is_served(db, client, settings):
    response = client.get(settings.STATIC_URL + ADMIN_CSS)
    assert response.status_code == 200
    assert b"".join(response.streaming_content) == content(ADMIN_CSS)
    response.close()


def test_under_asgi_it_is_served_without_a_warning(async_client, settings):
    async def get():
        response = await async_client.get(settings.STATIC_URL + ADMIN_CSS)
        whole = b"".join([chunk async for chunk in response])
        response.close()
        return response.status_code, whole

    assert asyncio.run(get()) == (200, content(ADMIN_CSS))


def test_under_asgi_an_unchanged_file_is_not_sent_again(async_client, settings):
    async def get():
        first = await async_client.get(settings.STATIC_URL + ADMIN_CSS)
        first.close()
        headers = {"If-Modified-Since": first["Last-Modified"]}
        return (
            await async_client.get(settings.STATIC_URL + ADMIN_CSS, headers=headers)
        ).status_code

    assert asyncio.run(get()) == 304
