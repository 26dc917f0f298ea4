"""One serving process without its parent: callgrind can be talked to by the process that it started, not by a fork."""

from dataclasses import replace

from registry.app import node_tasks
from registry.config import Settings

if __name__ == "__main__":
    (task,) = node_tasks(replace(Settings.from_env(), processes=1), worker=False)
    task.run()
