"""Media of posts: which are downloaded, and whether their bytes are what they should be."""
