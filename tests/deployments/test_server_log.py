"""What `secateur serve` tells of its server's log."""

from __future__ import annotations

from secateur.flows.serving.server_log import ServerLog

LATE = b"18:51:43.062 | WARNING | prefect.server.services.late_runs - late"
FAILED = b"18:52:43.100 | ERROR   | docket.worker - Task schedule_deployments failed: run 0a1b-77"
AGAIN = b"18:53:43.101 | ERROR   | docket.worker - Task schedule_deployments failed: run ffe2-12"
OTHER = "18:53:44.001 | CRITICAL | prefect.server - no data base: é".encode()


def test_each_kind_of_error_is_told_once_and_when_its_line_is_whole(tmp_path):
    path = tmp_path / "server.log"
    path.write_bytes(b"Traceback\n" + LATE + b"\n" + FAILED[:40])
    log = ServerLog(path)
    assert log.errors() == []
    with path.open("ab") as file:
        file.write(FAILED[40:] + b"\nsqlalchemy.exc.InvalidRequestError: ERROR\n" + AGAIN + b"\n")
    told = "docket.worker - Task schedule_deployments failed: run 0a1b-77"
    assert log.errors() == [told]
    with path.open("ab") as file:
        file.write(AGAIN + b"\n" + OTHER[:-1])
    assert log.errors() == []
    with path.open("ab") as file:
        file.write(OTHER[-1:] + b"\n")
    assert log.errors() == ["prefect.server - no data base: é"]
    assert log.errors() == []
