"""The files of posts: asking for images, audios and videos, and what their bytes really are."""
