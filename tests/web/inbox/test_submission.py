"""Addresses and titles in what is submitted."""

from urllib.parse import quote

import pytest

from tests.archive.making import BIZ, NOW
from web.inbox.submission import MAX_SUBMITTED_TITLE, InboxError, Submission, classify_addresses

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
LONG = f"https://mp.weixin.qq.com/s?__biz={BIZ}&mid=1001&idx=1&sn=5a&chksm=be48"
SECRET = "c0ffee" * 8
SESSION = f"uin={SECRET}&key={SECRET}&pass_ticket={SECRET}%2B&exportkey={SECRET}&devicetype=android"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (SHORT, SHORT),
        (f"合成标题\n{SHORT}", SHORT),
        (f"{LONG}#rd", LONG),
        (f"{LONG}&{SESSION}&scene=1#wechat_redirect&key={SECRET}", f"{LONG}&devicetype=android&scene=1"),
        (f"{SHORT}?{SESSION}", f"{SHORT}?devicetype=android"),
        (f"{LONG}&key={SECRET * 60}", LONG),
        (
            f"https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?poc_token={SECRET}&target_url="
            + quote(f"{LONG}&{SESSION}", safe=""),
            f"{LONG}&devicetype=android",
        ),
        (SHORT.replace("https://mp.weixin", "HTTPS://MP.WeiXin"), SHORT),
    ],
)
def test_session_parameters_are_removed_from_an_address(text: str, address: str) -> None:
    found = classify_addresses(Submission(text), NOW)
    (sighting,) = found.sightings
    assert sighting.address.url == address
    assert (sighting.source, sighting.seen_at) == ("inbox", NOW)
    assert SECRET not in sighting.address.url
    assert found.refused == []


@pytest.mark.parametrize(
    ("sent", "title"),
    [
        (Submission(f"合成标题\n{SHORT}"), "合成标题"),
        (Submission(SHORT, title=" 合成\n标题 "), "合成 标题"),
        (Submission(f"{SHORT} 字", title=""), "字"),
        (Submission(f"{SHORT} {LONG} 合成标题"), ""),
        (Submission(f"{SHORT} {'字' * (MAX_SUBMITTED_TITLE + 1)}"), ""),
        (Submission(f"{SHORT} \ufffd\ufffd"), ""),
    ],
)
def test_a_single_address_takes_the_text_beside_it_as_title(sent: Submission, title: str) -> None:
    assert {sighting.title for sighting in classify_addresses(sent, NOW).sightings} == {title}


def test_other_addresses_are_refused_with_the_reason() -> None:
    found = classify_addresses(
        Submission(f"{SHORT} https://example.com/a http://[x https://mp.weixin.qq.com/s/short"), NOW
    )
    assert {one.address: str(one.reason).partition(" is ")[2][:20] for one in found.refused} == {
        "https://example.com/a": "on host 'example.com",
        "http://[x": "not an address",
        "https://mp.weixin.qq.com/s/short": "not the address of a",
    }


def test_at_most_a_hundred_addresses_are_accepted() -> None:
    many = [f"{LONG}&scene={number}" for number in range(101)]
    assert len(classify_addresses(Submission("\n".join(many[:100])), NOW).sightings) == 100
    with pytest.raises(InboxError) as refused:
        classify_addresses(Submission("\n".join(many)), NOW)
    assert refused.value.status == 413


@pytest.mark.parametrize("text", ["", "合成", "https://example.com/", "https://[", "\ufffd" * 9])
def test_a_text_without_a_post_is_refused(text: str) -> None:
    with pytest.raises(InboxError) as refused:
        classify_addresses(Submission(text), NOW)
    assert refused.value.status == 400


def test_a_list_that_is_submitted_gives_each_post_its_title() -> None:
    sent = Submission(f"标题,链接\n合成之一,{SHORT}\n合成之二,{LONG}\n")
    titles = {one.address.url: one.title for one in classify_addresses(sent, NOW).sightings}
    assert titles == {SHORT: "合成之一", LONG: "合成之二"}


def test_an_address_behind_a_hash_sign_is_submitted_as_well() -> None:
    (sighting,) = classify_addresses(Submission(f"#标签# 合成 {SHORT}"), NOW).sightings
    assert sighting.address.url == SHORT
