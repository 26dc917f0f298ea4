"""The schedule of the background jobs: each job with its pause in seconds."""

from collections.abc import Awaitable, Callable
from typing import Final

from registry.jobs.add_sizes import add_sizes
from registry.jobs.collect_garbage import collect_garbage
from registry.jobs.count_usage import fold_usage, note_usage, recount_usage
from registry.jobs.delete_objects import delete_objects
from registry.jobs.deliver_hooks import deliver_hooks
from registry.jobs.evict_mirrors import evict_mirrors
from registry.jobs.expire_uploads import expire_uploads
from registry.jobs.forget_deliveries import forget_deliveries
from registry.jobs.forget_mirror_answers import forget_mirror_answers
from registry.jobs.forget_sessions import forget_sessions
from registry.jobs.forget_tokens import forget_tokens
from registry.jobs.keep_retention import keep_retention
from registry.jobs.purge_deleted import purge_deleted
from registry.jobs.reseal_hooks import reseal_hooks
from registry.jobs.seal_events import seal_events
from registry.jobs.stream_audit import stream_audit
from registry.jobs.tell_hooks import tell_hooks
from registry.jobs.turn_events import turn_events
from registry.jobs.turn_pulls import turn_pulls
from registry.services import Services

#: Does a bounded amount of work; how many items. Raises StorageError: it is tried again.
Job = Callable[[Services], Awaitable[int]]

SCHEDULE: Final[dict[str, tuple[Job, float]]] = {
    "expire_uploads": (expire_uploads, 15.0),
    "purge_deleted": (purge_deleted, 60.0),
    "collect_garbage": (collect_garbage, 30.0),
    "delete_objects": (delete_objects, 15.0),
    "forget_tokens": (forget_tokens, 60.0),
    "forget_sessions": (forget_sessions, 300.0),
    "stream_audit": (stream_audit, 5.0),
    "tell_hooks": (tell_hooks, 0.5),
    "deliver_hooks": (deliver_hooks, 0.5),
    "forget_deliveries": (forget_deliveries, 300.0),
    "forget_mirror_answers": (forget_mirror_answers, 300.0),
    "evict_mirrors": (evict_mirrors, 3600.0),
    "reseal_hooks": (reseal_hooks, 600.0),
    "seal_events": (seal_events, 60.0),
    "turn_events": (turn_events, 3600.0),
    "turn_pulls": (turn_pulls, 3600.0),
    "add_sizes": (add_sizes, 60.0),
    "keep_retention": (keep_retention, 2.0),
    "fold_usage": (fold_usage, 10.0),
    "recount_usage": (recount_usage, 60.0),
    "note_usage": (note_usage, 600.0),
}

#: The jobs that give room back, each of which may let go of something for the next.
COLLECTOR: Final = ("expire_uploads", "purge_deleted", "collect_garbage", "delete_objects")
