"""The stand-in's media are what their addresses say, small, and the same every time."""

import pytest

from crawler.media.validate import audio_content, image_content, video_content
from tests.standin import Standin
from tests.standin.client import get
from tests.standin.faults import MEDIA, Fault, Faults
from tests.standin.media import file_at

LARGEST = 30_000  # bytes: they are recorded in cassettes


@pytest.mark.parametrize(
    ("path", "query", "media_type"),
    [
        ("/mmbiz_jpg/synthetic_1/640", "wx_fmt=jpeg", "image/jpeg"),
        ("/mmbiz_png/synthetic_1/0", "wx_fmt=png&from=appmsg", "image/png"),
        ("/mmbiz_gif/synthetic_1/0", "", "image/gif"),
        ("/mmbiz_svg/synthetic_1/0", "wx_fmt=svg", "image/svg+xml"),
        ("/mmhead/synthetic_1/0", "", "image/png"),
    ],
)
def test_a_picture_has_the_format_of_its_address(path, query, media_type):
    found = file_at(path, query)
    assert found is not None
    name, body, told = found
    assert (name, told, image_content(body).media_type) == ("synthetic_1", media_type, media_type)
    assert len(body) < LARGEST
    assert file_at(path, query) == found


def test_recordings_are_complete_and_other_names_are_missing():
    voice = file_at("/voice/getvoice", "mediaid=synthetic_voice_1")
    film = file_at("/synthetic_v.f10002.mp4", "dis_k=1")
    assert voice is not None
    assert film is not None
    assert audio_content(voice[1]).media_type == "audio/mpeg"
    assert video_content(film[1]).media_type == "video/mp4"
    assert file_at("/mmbiz_png/real/0", "") is None


def test_faults_of_pages_and_of_files_are_independent():
    faults = Faults()
    faults.add(Fault("error"))
    assert faults.take((MEDIA, "mmbiz.qpic.cn", "synthetic_1")) is None
    faults.clear()
    faults.add(Fault("error", post=MEDIA))
    assert faults.take(("article", "2650000101_1", "token")) is None
    assert faults.take((MEDIA, "mmbiz.qpic.cn", "synthetic_1"))


def test_files_of_other_hosts_have_their_own_paths_and_counts():
    with Standin() as standin:
        address = "/_host/mmbiz.qpic.cn/mmbiz_png/synthetic_1/0?wx_fmt=png"
        found = get(standin.origin, address, packed=True)
        assert (found.headers["Content-Type"], found.headers["Content-Encoding"]) == ("image/png", None)
        assert get(standin.origin, "/_host/mmbiz.qpic.cn/nothing").status == 404
        standin.fault("verification", post="synthetic_1")
        challenged = get(standin.origin, address)
        assert challenged.headers["Location"].startswith("https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha")
        assert standin.stats()["hosts"] == {"mmbiz.qpic.cn": 3}
