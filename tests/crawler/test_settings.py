import subprocess
import sys

import pytest
from scrapy.settings import Settings
from scrapy.utils.project import get_project_settings

from crawler.spiders.posts import PostsSpider, listed_urls


def settings_with(**chosen: object) -> Settings:
    settings = get_project_settings()
    for name, value in chosen.items():
        settings.set(name, value, priority="cmdline")
    PostsSpider.update_settings(settings)
    return settings


def test_by_default_one_request_at_a_time_goes_out_never_less_than_five_seconds_apart(monkeypatch):
    settings = settings_with()
    assert settings.getint("CONCURRENT_REQUESTS") == settings.getint("CONCURRENT_REQUESTS_PER_DOMAIN") == 1
    assert settings.getfloat("DOWNLOAD_DELAY") * (1 - settings.getfloat("DOWNLOAD_DELAY_JITTER")) > 5
    assert settings.getbool("AUTOTHROTTLE_ENABLED")
    assert settings.getfloat("AUTOTHROTTLE_START_DELAY") == settings.getfloat("DOWNLOAD_DELAY")


@pytest.mark.parametrize(("delay", "throttled"), [(0, False), (2, True), (9, True)])
def test_autothrottle_follows_a_delay_chosen_on_the_command_line(delay, throttled):
    settings = settings_with(DOWNLOAD_DELAY=delay)
    assert settings.getbool("AUTOTHROTTLE_ENABLED") is throttled
    assert settings.getfloat("AUTOTHROTTLE_START_DELAY") == delay


def test_a_replay_waits_for_nobody():
    settings = settings_with(CASSETTE="x.yaml", CASSETTE_MODE="replay")
    assert settings.getfloat("DOWNLOAD_DELAY") == 0


def test_certificates_are_verified_and_cookies_telnet_and_other_schemes_are_off():
    settings = settings_with()
    assert settings.getbool("DOWNLOAD_VERIFY_CERTIFICATES")
    assert not settings.getbool("COOKIES_ENABLED")
    assert not settings.getbool("TELNETCONSOLE_ENABLED")
    handlers = settings.getwithbase("DOWNLOAD_HANDLERS")
    assert [scheme for scheme, handler in handlers.items() if handler] == ["https"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MPARCHIVE_DOWNLOAD_DELAY", "-1"),
        ("MPARCHIVE_DOWNLOAD_DELAY", "inf"),
        ("MPARCHIVE_DOWNLOAD_TIMEOUT", "inf"),
        ("MPARCHIVE_MEDIA_DELAY", "1e9"),
        ("MPARCHIVE_LOG_LEVEL", "LOUD"),
        ("MPARCHIVE_CONCURRENCY", "many"),
        ("MPARCHIVE_MEDIA_TYPES", "image,smell"),
        ("MPARCHIVE_RENDER_TIMEOUT", "0"),
        ("MPARCHIVE_BROWSER_HOSTS", "https://res.wx.qq.com/"),
        ("MPARCHIVE_MAX_VIDEO_MB", "0"),
    ],
)
def test_a_wrong_variable_is_named_in_one_line(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCRAPY_SETTINGS_MODULE", "crawler.settings")
    done = subprocess.run(
        [sys.executable, "-m", "scrapy", "list"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name} is '{value}': ")
    assert len(done.stderr.splitlines()) == 1


def test_addresses_are_listed_with_commas_or_in_a_file(tmp_path):
    one, two = "https://mp.weixin.qq.com/s/aaaaaaaaaaa", "http://mp.weixin.qq.com/s?__biz=a==&mid=1&idx=1"
    path = tmp_path / "list.txt"
    path.write_text(f"# mine\r\n{one}\r\n\r\n {two} \r\n", encoding="utf-8-sig")
    assert listed_urls(f"{one}, {two}") == listed_urls(str(path)) == [one, two]
