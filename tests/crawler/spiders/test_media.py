"""Whole crawls of media: real processes, real HTTP on loopback, a real media folder."""

import hashlib
import json
import subprocess
from itertools import pairwise

import psutil

from archive.domain.messages import Message
from tests.crawler.crawling import TIMEOUT, Crawl, ended
from tests.crawler.gallery import ALL_TYPES, CDN, Gallery, png
from tests.crawler.loopback import Reply
from tests.standin.media import picture, recording, video
from tests.support.measured import measured, most_memory

MOST_MEMORY = 450 * 1024  # kB, of the largest process: a crawl has 140 MB, an image 32 MB at most


def test_each_answer_is_kept_or_refused_for_what_it_is_within_bounded_memory(gallery, standin):
    faults: dict[str, tuple[str, str, dict[str, object]]] = {
        "page": ("refused", "it is a web page, not an image", {}),
        "script": ("refused", "an SVG with a <script>", {}),
        "pixels": ("refused", "pixels when decoded", {}),
        "bomb": ("refused", "bytes when unpacked", {}),
        "huge": ("refused", "it has more than 33554432 bytes", {}),
        "endless": ("refused", "it has more than 33554432 bytes", {}),
        "cut": ("failed", "ResponseDataLossError", {}),
        "cut_chunked": ("failed", "ResponseDataLossError", {}),
        "reset": ("failed", "DownloadFailedError", {}),
        "elsewhere": ("refused", "https://elsewhere.invalid/s/taken-away, which is not followed", {}),
        "error": ("failed", "the server answered 503", {"status": 503}),
    }
    for number, (kind, (_, _, more)) in enumerate(faults.items()):
        gallery.add(f"https://host{number}.qpic.cn/mmbiz_png/synthetic_{kind}/0?wx_fmt=png")
        standin.fault(kind, post=f"synthetic_{kind}", **more)
    good = {
        png("a"): "image/png",
        f"{CDN}/mmbiz_jpg/synthetic_b/640?wx_fmt=jpeg": "image/jpeg",
        "http://mmbiz.qpic.cn/mmbiz_gif/synthetic_c/640?wx_fmt=gif": "image/gif",
        "//mmbiz.qpic.cn/mmbiz_svg/synthetic_d/640?wx_fmt=svg": "image/svg+xml",
        "https://wx.qlogo.cn/mmhead/synthetic_e/0?wx_fmt=webp": "image/webp",
    }
    gallery.add(*good)
    missing = f"{CDN}/mmbiz_png/nothing/0"
    gallery.add(missing)
    gallery.add(
        "https://mpvideo.qpic.cn/synthetic_video.f10002.mp4", kind="video"
    )  # not asked for by default
    foreign = ["https://elsewhere.invalid/x.png", "https://mmbiz.qpic.cn.elsewhere.invalid/x.png",
               "https://mmbiz.qpic.cn:8443/x.png", "ftp://mmbiz.qpic.cn/x.png", "https://qpic.cn@[bad/x.png",
               f"{CDN}/{'x' * 2000}"]  # fmt: skip
    gallery.add(*foreign)
    crawl, memory = crawl_measured(gallery, RETRY_TIMES=0)
    found = gallery.states
    for number, (kind, (outcome, words, _)) in enumerate(faults.items()):
        state = found[f"https://host{number}.qpic.cn/mmbiz_png/synthetic_{kind}/0?wx_fmt=png"]
        assert (state[0], words in str(Message.load(state[1]))) == (outcome, True), (kind, state)
    assert {url: found[url][2] for url in good} == good
    assert str(Message.load(found[missing][1])) == "the server answered 404"
    assert {found[url][0] for url in foreign} == {"refused"}
    assert sorted(standin.stats()["hosts"]) == sorted({
        "mmbiz.qpic.cn", "wx.qlogo.cn", *(f"host{number}.qpic.cn" for number in range(len(faults)))
    })  # fmt: skip
    assert memory < MOST_MEMORY, f"{memory} kB"
    assert (crawl.verdict, crawl.exit_code) == ("partly_failed", 3)
    assert crawl.counts["outcomes"] == {"kept": 5, "refused": 13, "failed": 5}
    assert "Traceback" not in crawl.output


def crawl_measured(gallery: Gallery, **settings: object) -> tuple[Crawl, int]:
    """Run a crawl; return it with the most memory (kB) that any of its processes had."""
    done = subprocess.run(
        measured(gallery.crawler.command(spider="media", **settings)),
        env=gallery.crawler.environment(**gallery.environment),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return ended(done.returncode, done.stdout + done.stderr), most_memory(done.stderr)


def test_a_file_lies_in_the_folder_once_whatever_its_addresses(gallery):
    same = [png("same"), f"{CDN}/mmbiz_png/synthetic_same/640?wx_fmt=png", f"{CDN}/x_png/synthetic_same/300"]
    gallery.add(*same, png("other"))
    assert gallery.crawl().verdict == "done"
    contents = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in gallery.files}
    assert set(contents) == {
        hashlib.sha256(picture(f"synthetic_{name}")).hexdigest() for name in ("same", "other")
    }
    assert len({gallery.states[url][3] for url in same}) == 1
    size = gallery.crawler.rows("SELECT size, width, height FROM files ORDER BY id")[0]
    assert size == (len(picture("synthetic_same")), 240, 160)
    assert gallery.crawler.rows("SELECT count(next_fetch_at) FROM media") == [(0,)]
    ((command, status, counts),) = gallery.crawler.rows("SELECT command, status, counts FROM runs")
    assert (command, status, counts["outcomes.kept"]) == ("media", "done", 4)


def test_recordings_are_downloaded_when_asked_for_and_what_expires_first(gallery, standin):
    lasting = "https://mpvideo.qpic.cn/synthetic_lasting.f10002.mp4?dis_k=5ca1ab1e"
    signed = "http://mpvideo.qpic.cn/synthetic_signed.f10002.mp4?dis_k=5ca1ab1e&dis_t=1"
    over = "https://mpvideo.qpic.cn/synthetic_over.f10002.mp4"
    voice = "https://res.wx.qq.com/voice/getvoice?mediaid=synthetic_voice_1"
    gallery.add(lasting, kind="video")
    gallery.add(signed, kind="video", expires="2999-01-01T00:00Z")
    gallery.add(over, kind="video")
    gallery.add(voice, kind="audio")
    standin.fault("error", post="synthetic_over", status=403)
    crawl = gallery.crawl(MEDIA_TYPES=ALL_TYPES)
    assert crawl.counts["outcomes"] == {"kept": 3, "failed": 1}, crawl.output
    asked = [noted["path"] for noted in standin.stats()["requests"]]
    assert asked[0] == "/_host/mpvideo.qpic.cn/synthetic_signed.f10002.mp4"
    found = gallery.states
    assert [found[url][2] for url in (lasting, signed, voice)] == ["video/mp4", "video/mp4", "audio/mpeg"]
    assert str(Message.load(found[over][1])).startswith("its address has expired; it is fetched again")
    assert {path.read_bytes() for path in gallery.files} == {
        video("synthetic_lasting", 10002), video("synthetic_signed", 10002), recording("synthetic_voice_1")
    }  # fmt: skip


def test_one_request_at_a_time_goes_out_as_far_apart_as_configured(gallery, standin):
    gallery.add(*(png(str(number)) for number in range(3)))
    gallery.add(*(f"https://wx.qlogo.cn/mmhead/synthetic_{number}/0" for number in range(2)))
    standin.fault("slow", post="media", seconds=0.2)
    crawl = gallery.crawl(MEDIA_DELAY="0.5", DOWNLOAD_DELAY=9, CONCURRENT_REQUESTS=8)
    assert crawl.counts["outcomes"] == {"kept": 5}, crawl.output
    requests = standin.stats()["requests"]
    every = [later["at"] - earlier["at"] for earlier, later in pairwise(requests)]
    assert min(every) >= 0.2  # the answer before had come
    for host in ("mmbiz.qpic.cn", "wx.qlogo.cn"):
        times = [noted["at"] for noted in requests if noted["host"] == host]
        assert min(later - earlier for earlier, later in pairwise(times)) >= 0.4  # 0.5 with 15 % of jitter


def test_a_media_host_learns_nothing_it_need_not_know_and_secrets_stay_out_of_the_log(small, server):
    server.serve("/_host/mmbiz.qpic.cn/a/0?key=c0ffee", Reply(b"busy", 503), Reply(picture("synthetic_x")))
    small.add(f"{CDN}/a/0?key=c0ffee#imgIndex=0")
    crawl = small.crawl(LOG_LEVEL="DEBUG")
    assert crawl.verdict == "done", crawl.output
    first, second = server.asked
    for asked in (first, second):
        assert not {"Cookie", "Referer"} & set(asked.headers)
        assert "Mozilla/5.0" in asked.headers["User-Agent"]
        assert asked.headers["Accept"] == "*/*"
    assert "c0ffee" not in crawl.output


def test_a_killed_crawl_goes_on_where_it_was_and_a_killed_worker_costs_one_medium(small, server):
    names = [f"n{number}" for number in range(6)]
    for name in names:
        server.serve(f"/_host/mmbiz.qpic.cn/mmbiz_png/synthetic_{name}/0?wx_fmt=png",
                     Reply(picture(f"synthetic_{name}"), packed=False))  # fmt: skip
    small.add(*map(png, names))
    running: list[subprocess.Popen[str]] = []
    family: list[psutil.Process] = []

    def kill_crawl(_path: str) -> None:
        if len(server.asked) == 3 and running:
            family.extend(psutil.Process(running[0].pid).children(recursive=True))
            running[0].kill()

    server.on_request = kill_crawl
    running.append(small.start(DOWNLOAD_DELAY="0.3"))
    running[0].communicate(timeout=TIMEOUT)
    assert not psutil.wait_procs([one for one in family if is_worker(one)], timeout=20)[1]
    assert {*small.outcomes.values()} <= {"kept", None}

    at_work: list[psutil.Process] = []

    def stop_then_kill_worker(_path: str) -> None:
        """Suspend the worker at the first request, so that it holds the first medium at the second."""
        if at_work:
            at_work.pop().kill()
            server.on_request = lambda _path: None
        else:
            family = psutil.Process(running[0].pid).children(recursive=True)
            at_work.extend(process for process in family if is_worker(process))
            at_work[0].suspend()

    server.on_request = lambda path: stop_then_kill_worker(path) if len(running) == 2 else None
    running.insert(0, small.start(DOWNLOAD_DELAY="0.5"))
    output, _ = running[0].communicate(timeout=TIMEOUT)
    crawl = ended(running[0].returncode, output)
    assert crawl.counts["outcomes"]["refused"] == 1, output
    assert {*small.outcomes.values()} == {"kept", "refused"}
    (reason,) = {state[1] for state in small.states.values() if state[0] == "refused"}
    assert reason == "crawler.media.kills"
    assert len(small.files) == 5


def is_worker(process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
        return "spawn_main" in command or "scrapy crawl" in command  # a fork has its parent's command line
    except psutil.NoSuchProcess:
        return False


def test_a_recorded_crawl_is_replayed_and_what_was_not_recorded_is_counted(gallery, standin, tmp_path):
    tape = {"CASSETTE": tmp_path / "tape.yaml"}
    gallery.add(png("a"), f"{CDN}/mmbiz_jpg/synthetic_b/0?wx_fmt=jpeg")
    assert gallery.crawl(CASSETTE_MODE="record", **tape).verdict == "done"
    asked = standin.stats()["total"]
    recorded = gallery.files
    for path in recorded:
        path.unlink()
    gallery.crawler.rows("UPDATE media SET file_id = NULL, next_fetch_at = now() RETURNING 1")
    gallery.add(png("later"))
    replayed = gallery.crawl(CASSETTE_MODE="replay", **tape)
    assert replayed.counts["outcomes"] == {"kept": 2}, replayed.output
    assert (replayed.counts["not_recorded"], replayed.verdict) == (1, "partly_failed")
    assert '"event": "not_recorded"' in replayed.output
    assert gallery.files == recorded
    assert standin.stats()["total"] == asked
    assert gallery.outcomes[png("later")] is None  # nothing was said about the picture itself


def test_a_folder_that_cannot_be_written_ends_the_crawl_in_a_sentence(gallery, tmp_path):
    gallery.folder.write_text("no folder")
    gallery.add(png("a"), png("b"))
    crawl = gallery.crawl(DOWNLOAD_DELAY="0.3")
    assert (crawl.verdict, crawl.exit_code) == ("failed", 1)
    lines = [json.loads(line) for line in crawl.output.splitlines()]
    errors = [(line["event"], line["reason"]) for line in lines if line["level"] == "error"]
    assert {event for event, _ in errors} == {"media_folder_failed"}  # the second may have been under way
    assert all(reason.startswith("cannot write to the media folder") for _, reason in errors)
    assert set(gallery.outcomes.values()) == {None}
