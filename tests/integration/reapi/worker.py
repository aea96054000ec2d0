"""A worker for tests of remote execution: one action at a time, from BuildGrid's Bots service.

    python worker.py HOST:PORT CACHE [PREFIX …]

CACHE is a folder of blobs, which workers may share. PREFIX is put before each command: what it sees
of the machine is that program's choice. "ready" on standard output: it has a session; after that a
line for each command that it starts.
"""

# mypy: ignore-errors

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import grpc
from buildgrid._protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as reapi
from buildgrid._protos.google.bytestream import bytestream_pb2 as bytestream
from buildgrid._protos.google.bytestream import bytestream_pb2_grpc as bytestream_rpc
from buildgrid._protos.google.devtools.remoteworkers.v1test2 import bots_pb2, bots_pb2_grpc
from buildgrid._protos.google.devtools.remoteworkers.v1test2 import worker_pb2 as devices

_CHUNK = 1 << 20
_PROPERTIES = {"OSFamily": "linux", "ISA": "x86-64"}


class Store:
    """Blobs of the server by their digests."""

    def __init__(self, channel: grpc.Channel, cache: Path) -> None:
        self._stream = bytestream_rpc.ByteStreamStub(channel)
        self._cache = cache

    def file(self, digest: reapi.Digest) -> Path:
        path = self._cache / digest.hash
        if not path.exists():
            name = f"blobs/{digest.hash}/{digest.size_bytes}"
            parts = self._stream.Read(bytestream.ReadRequest(resource_name=name))
            content = b"".join(part.data for part in parts) if digest.size_bytes else b""
            partly = self._cache / uuid.uuid4().hex
            partly.write_bytes(content)
            partly.rename(path)
        return path

    def read(self, digest: reapi.Digest) -> bytes:
        return self.file(digest).read_bytes()

    def write(self, content: bytes) -> reapi.Digest:
        digest = reapi.Digest(hash=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        name = f"uploads/{uuid.uuid4()}/blobs/{digest.hash}/{digest.size_bytes}"
        self._stream.Write(
            bytestream.WriteRequest(
                resource_name=name,
                write_offset=offset,
                data=content[offset : offset + _CHUNK],
                finish_write=offset + _CHUNK >= len(content),
            )
            for offset in range(0, max(len(content), 1), _CHUNK)
        )
        return digest


class Sandbox:
    """The folder that an action runs in."""

    def __init__(self, store: Store, root: Path) -> None:
        self._store, self.root = store, root

    def lay_out(self, digest: reapi.Digest, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        node = reapi.Directory.FromString(self._store.read(digest))
        for file in node.files:
            path = folder / file.name
            shutil.copyfile(self._store.file(file.digest), path)
            path.chmod(0o755 if file.is_executable else 0o644)
        for link in node.symlinks:
            (folder / link.name).symlink_to(link.target)
        for child in node.directories:
            self.lay_out(child.digest, folder / child.name)

    def _capture(self, folder: Path, tree: reapi.Tree) -> reapi.Directory:
        node = reapi.Directory()
        for path in sorted(folder.iterdir()):
            if path.is_symlink():
                node.symlinks.add(name=path.name, target=os.readlink(path))
            elif path.is_dir():
                child = self._capture(path, tree)
                tree.children.append(child)
                digest = self._store.write(child.SerializeToString())
                node.directories.add(name=path.name, digest=digest)
            else:
                node.files.add(
                    name=path.name,
                    digest=self._store.write(path.read_bytes()),
                    is_executable=os.access(path, os.X_OK),
                )
        return node

    def collect(self, names: list[str], result: reapi.ActionResult) -> None:
        """Those of the named outputs that are there."""
        for name in names:
            path = self.root / name
            if path.is_dir():
                tree = reapi.Tree()
                tree.root.CopyFrom(self._capture(path, tree))
                digest = self._store.write(tree.SerializeToString())
                result.output_directories.add(path=name, tree_digest=digest)
            elif path.is_file():
                result.output_files.add(
                    path=name,
                    digest=self._store.write(path.read_bytes()),
                    is_executable=os.access(path, os.X_OK),
                )


def run(action: reapi.Action, store: Store, prefix: list[str]) -> reapi.ActionResult:
    command = reapi.Command.FromString(store.read(action.command_digest))
    print("run", *command.arguments, flush=True)
    root = Path(tempfile.mkdtemp())
    try:
        sandbox = Sandbox(store, root)
        sandbox.lay_out(action.input_root_digest, root)
        folder = root / command.working_directory
        outputs = [*command.output_files, *command.output_directories, *command.output_paths]
        for name in outputs:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        # An action names no PATH when Pants asks what the environment is; the rest name theirs.
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        env.update({each.name: each.value for each in command.environment_variables})
        done = subprocess.run(
            [*prefix, *command.arguments],
            cwd=folder,
            env=env,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        result = reapi.ActionResult(exit_code=done.returncode)
        result.stdout_digest.CopyFrom(store.write(done.stdout))
        result.stderr_digest.CopyFrom(store.write(done.stderr))
        sandbox.root = folder
        sandbox.collect(outputs, result)
        return result
    finally:
        shutil.rmtree(root, ignore_errors=True)


def action_of(lease: bots_pb2.Lease, store: Store) -> reapi.Action:
    action, digest = reapi.Action(), reapi.Digest()
    if lease.payload.Unpack(action):
        return action
    lease.payload.Unpack(digest)
    return reapi.Action.FromString(store.read(digest))


def serve(address: str, cache: Path, prefix: list[str]) -> None:
    unlimited = [("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(address, options=unlimited)
    store, bots = Store(channel, cache), bots_pb2_grpc.BotsStub(channel)
    session = bots_pb2.BotSession(bot_id=uuid.uuid4().hex, status=bots_pb2.OK)
    device = devices.Device(handle="this")
    for key, value in _PROPERTIES.items():
        device.properties.add(key=key, value=value)
    session.worker.devices.append(device)
    session = bots.CreateBotSession(
        bots_pb2.CreateBotSessionRequest(parent="", bot_session=session), timeout=60
    )
    print("ready", flush=True)

    def update() -> bots_pb2.BotSession:
        request = bots_pb2.UpdateBotSessionRequest(name=session.name, bot_session=session)
        try:
            return bots.UpdateBotSession(request, timeout=10)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                raise
            return session

    while True:
        pending = [lease for lease in session.leases if lease.state == bots_pb2.PENDING]
        if pending:
            pending[0].state = bots_pb2.ACTIVE
            session = update()
            (lease,) = session.leases
            lease.result.Pack(run(action_of(lease, store), store, prefix))
            lease.state = bots_pb2.COMPLETED
        else:
            del session.leases[:]
        session = update()


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
