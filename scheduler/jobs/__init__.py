"""The kinds of jobs: each module says when there is one to do, and does it."""
