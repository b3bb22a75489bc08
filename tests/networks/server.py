"""A server on this machine in place of huggingface.co and download.pytorch.org."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from safetensors.torch import save

COMMIT = "a" * 40


class Server:
    """Serves ``files`` by path; of those in ``cut`` GET gives half, and says that this is all.

    Attributes:
        asked: What was asked for: method and path.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                owner.answer(self, body=False)

            def do_GET(self) -> None:
                owner.answer(self, body=True)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = request.path
        self.asked.append((request.command, path))
        content = self.files.get(path)
        if content is None:
            repository = "/".join(path.split("/")[:3])
            known = any(name.startswith(repository + "/") for name in self.files)
            request.send_response(404)
            request.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            if known:
                request.send_header("X-Repo-Commit", COMMIT)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(200)
        request.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        request.send_header("X-Repo-Commit", COMMIT)
        if body and path in self.cut:
            content = content[: len(content) // 2]
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if body:
            request.wfile.write(content)

    def add(self, repository: str, **files: bytes | dict) -> None:
        """Files of a repository: ``config_json={...}`` is config.json."""
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.files[f"/{repository}/resolve/main/{name.replace('_json', '.json')}"] = data

    def add_weights(self, repository: str, state: dict, config: dict | None = None) -> None:
        """``model.safetensors``, and ``config.json`` where there is one."""
        path = f"/{repository}/resolve/main/model.safetensors"
        self.files[path] = save({key: value.contiguous() for key, value in state.items()})
        if config is not None:
            self.add(repository, config_json=config)

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@contextmanager
def local_hub(folder: Path) -> Iterator[Server]:
    """The server, caches of huggingface_hub and torch.hub of its own, and no way elsewhere."""
    from huggingface_hub import constants

    server = Server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", server.url)
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        patch.setenv("TORCH_HOME", str(folder / "torch"))
        try:
            yield server
        finally:
            server.stop()


def timm_config(network: str, **changes: object) -> dict:
    """config.json as timm writes it."""
    said = {
        "tag": "a1_in1k",
        "input_size": [3, 224, 224],
        "test_input_size": [3, 288, 288],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "num_classes": 1000,
        "first_conv": "conv1",
        "classifier": "fc",
        "license": "apache-2.0",
    }
    return {"architecture": network, "num_classes": 1000, "pretrained_cfg": said | changes}
