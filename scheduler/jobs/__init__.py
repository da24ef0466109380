"""The kinds of jobs: each module plans the jobs that are needed, and runs one."""
