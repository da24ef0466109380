"""Name the attributes of a body's elements in which WeChat writes the images that a reader sees.

The parser finds the images of a post by this table, and the rendering shows them by it.
"""

# By element, in the order in which they are tried: the first that is a web address is the image.
IMAGE_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "img": ("data-src", "src", "data-backsrc", "data-croporisrc", "data-original"),
    "image": ("xlink:href", "href", "data-src"),  # of a drawing
    "feimage": ("xlink:href", "href"),
    "mp-common-sticker": ("data-emoji_url",),
    "mp-common-product": ("data-product-imageurl", "data-cover", "data-imageurl", "data-headimg"),
    "mp-common-redpacketcover": ("data-receiveimg", "data-coverurl"),
}

# Attributes that hold an image on elements of any name.
COMMON_IMAGE_ATTRIBUTES = ("data-lazy-bgimg", "data-product-imageurl", "data-miniprogram-imageurl")

# WeChat's own elements whose images the parser reads as the covers of what they play.
PLAYER_ELEMENTS = frozenset({
    "mpvoice", "qqmusic", "mp-common-mpaudio", "mp-common-videosnap", "mpvideosnap", "mp-common-qqmusic",
})  # fmt: skip

# WeChat's own elements that show nothing.
INVISIBLE_ELEMENTS = frozenset({"mp-style-type", "mp-common-cpsad"})

# Addresses of images that are no part of the post: portraits of accounts, and what its editor remembers
# (an image before it was cropped, or compressed; the still that an editing tool has put in).
OTHER_ATTRIBUTES = frozenset({
    "data-headimg", "data-headimgurl", "data-croporisrc", "data-backsrc", "data-oversubscription-url",
    "data-before-oversubscription-url", "data-wxurl",
})  # fmt: skip

IMAGE_HOSTS = ("qpic.cn", "qlogo.cn")  # WeChat's, with their subdomains


def is_custom_element(name: str) -> bool:
    """Tell whether WeChat's scripts draw an element of this name as a card."""
    return name.startswith("mp-") and name not in INVISIBLE_ELEMENTS
