"""Images, audios and videos of posts: the folder their files lie in, what is written and read of them."""
