"""The version of this release: here, where a checkout that nobody has installed finds it too. The build reads it."""

VERSION = "0.1.0"
