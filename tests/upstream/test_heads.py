"""Every route of a whole daemon asked for its head alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from house_kit import street


async def test_the_answer_to_head_is_a_head_alone(tmp_path: Path) -> None:
    """A body behind it would be read as the beginning of the connection's next answer."""
    async with street(tmp_path, "alpha") as (live, _):
        await live.post()
        assert live.daemon._running is not None
        routes = live.daemon._running.routes()
        heads = {r.resource.canonical for r in routes if r.method == "HEAD" and r.resource}
        assert "/v1/export" in heads
        port = urlsplit(live.url).port
        admin = (tmp_path / "admin.key").read_text().strip()
        for path in sorted(heads):
            asked = f"HEAD {path.replace('{id}', '1')} HTTP/1.1\r\nHost: localhost\r\n"
            asked += f"Authorization: Bearer {admin}\r\nConnection: close\r\n\r\n"
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(asked.encode())
            answer = await reader.read()
            writer.close()
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith((b"HTTP/1.1 2", b"HTTP/1.1 404", b"HTTP/1.1 501")), (path, head)
            assert body == b"", path
