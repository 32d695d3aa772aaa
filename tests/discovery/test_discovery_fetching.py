"""Reading the web: bounded in size and time, and never into a network it was not sent to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from discovery_kit import Site, bomb, drip, huge, redirect

from freeloader.discovery.fetching import REDIRECTS_MAX, Web, public
from freeloader.errors import UpstreamFailed


async def test_an_address_that_the_owner_wrote_may_be_private(site: Site) -> None:
    site.pages["/a"] = b"hello"
    page = await Web().get(f"{site.base}/a", given=True)
    assert (page.status, page.body) == (200, b"hello")
    again = await Web().get(f"{site.base}/a", etag=page.etag, given=True)
    assert (again.status, again.body) == (304, b"")


async def test_one_that_came_from_elsewhere_may_not(site: Site) -> None:
    site.pages["/a"] = b"secret"
    for url in (f"{site.base}/a", site.base.replace("127.0.0.1", "localhost") + "/a"):
        with pytest.raises(UpstreamFailed, match="private address"):
            await Web().get(url)
    assert site.asked == []


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_no_spelling_of_this_machine_is_public(site: Site, host: str) -> None:
    port = site.base.rpartition(":")[2]
    with pytest.raises(UpstreamFailed):
        await Web().get(f"http://{host}:{port}/a")
    assert site.asked == []


async def test_a_redirect_into_another_private_place_is_refused(site: Site) -> None:
    port = site.base.rpartition(":")[2]
    for target in (f"http://localhost:{port}/a", "http://10.0.0.1/", "http://169.254.169.254/x"):
        site.pages["/r"] = redirect(target)
        with pytest.raises(UpstreamFailed, match="redirects to another host"):
            await Web().get(f"{site.base}/r", given=True)
    assert "/a" not in site.asked


async def test_redirects_on_the_same_host_are_followed_a_few_times(site: Site) -> None:
    site.pages |= {"/1": redirect("/2"), "/2": redirect("/3"), "/3": b"there"}
    page = await Web().get(f"{site.base}/1", given=True)
    assert (page.body, page.url) == (b"there", f"{site.base}/3")
    site.pages["/loop"] = redirect("/loop")
    with pytest.raises(UpstreamFailed, match="more than"):
        await Web().get(f"{site.base}/loop", given=True)
    assert site.asked.count("/loop") == REDIRECTS_MAX + 1


@pytest.mark.parametrize("page", [huge, bomb])
async def test_what_is_too_large_is_dropped_on_the_way(site: Site, page) -> None:
    site.pages["/big"] = page
    with pytest.raises(UpstreamFailed, match="larger than"):
        await Web(most_bytes=2 << 20).get(f"{site.base}/big", given=True)


async def test_a_slow_drip_ends_at_the_time_limit(site: Site) -> None:
    site.pages["/slow"] = drip
    with pytest.raises(UpstreamFailed, match=r"not read in 0\.2 s"):
        await Web(seconds=0.2).get(f"{site.base}/slow", given=True)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/x", "file:///etc/passwd", "http://", "http://user:pass@example.com/",
     "http://[::1", "http://example.com:99999/", "data:text/plain,x"],
)  # fmt: skip
async def test_what_is_no_plain_address_is_refused_without_a_look(url: str) -> None:
    with pytest.raises(UpstreamFailed) as raised:
        await Web().get(url)
    assert "user" not in raised.value.message


async def test_a_status_is_said(site: Site) -> None:
    with pytest.raises(UpstreamFailed, match="answers 404"):
        await Web().get(f"{site.base}/nothing", given=True)


@pytest.mark.parametrize(
    ("address", "yes"),
    [
        ("8.8.8.8", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("2606:4700::1111", True),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:0a00:0001::1", False),
    ],
)
def test_public(address: str, yes: bool) -> None:
    assert public(ip_address(address)) is yes
