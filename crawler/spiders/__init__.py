"""The spiders: posts, media, and the sources of new posts."""
