"""`package` and `run` of whole images, with the real sandbox program."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pants.backend.shell.target_types import ShellCommandTarget
from pants.backend.shell.util_rules import shell_command
from pants.core import register as core
from pants.core.goals.package import BuiltPackage, OutputPathField
from pants.core.goals.run import RunRequest
from pants.core.target_types import ArchiveTarget, FileTarget
from pants.engine.addresses import Address
from pants.engine.fs import CreateDigest, Digest, DigestContents, FileContent, Snapshot
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule
from pants.testutil.rule_runner import RuleRunner

from pants_plugin_minimg import register
from pants_plugin_minimg.bundler import __main__ as bundler
from pants_plugin_minimg.bundler.rendering import oci
from pants_plugin_minimg.goals import package
from pants_plugin_minimg.goals.diff import MinimgDiff
from pants_plugin_minimg.goals.package import MinimalDockerImageFieldSet
from pants_plugin_minimg.goals.run import MinimalDockerImageRunFieldSet
from pants_plugin_minimg.goals.why import MinimgWhy
from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.target_types import MinimalDockerImageTarget, image_healthcheck
from pants_plugin_minimg.util_rules import closure
from pants_plugin_minimg.util_rules.metadata import Metadata
from pants_plugin_minimg.util_rules.products import ArtifactPaths, BuiltMinimalImage
from tests.rules.support import INHERITED, needs_no_remote_machine, plugin_rules, set_options

BUILD = """\
file(name="script", source="hello.sh")
file(name="config", source="app.toml")
archive(name="packed", format="tar", files=[":script"])
shell_command(
    name="made", command="cp hello.sh made", tools=["cp"],
    execution_dependencies=[":script"], output_files=["made"],
)
minimal_docker_image(
    name="script_image",
    binary=":made",
    files={"/etc/app.toml": image_file(":config", mode="0640", owner="0:7")},
    cmd=["one", "two"],
    env={"Z": "1", "A": "2"},
    workdir="/tmp",
    directories={"/tmp": "1777"},
    ports=["80", "53/udp"],
    volumes=["/data"],
    stop_signal="SIGINT",
    image_labels={"a": "b"},
    repository="{directory}/{name}",
    image_tags=["1", "latest"],
)
minimal_docker_image(name="packed_image", binary=":packed", output_path="there/x.tar")
minimal_docker_image(name="layout_image", binary=":packed", format="oci-layout")
minimal_docker_image(
    name="named_image",
    binary=":packed",
    registries=["@mine"],
    repository="named",
    image_tags=["1"],
    extra_run_args=["-p", "80:80"],
)
minimal_docker_image(name="no_program", binary=":config")
minimal_docker_image(name="no_such", executables=["/no/such/program"], include=["/no/such/**"])
minimal_docker_image(name="bad_name", executables=["/bin/sh"], repository="{directory}//x")
minimal_docker_image(name="elsewhere", executables=["/bin/sh"])
"""


@pytest.fixture(scope="module")
def rule_runner() -> RuleRunner:
    rule_runner = RuleRunner(
        rules=[
            *plugin_rules(),
            *core.rules(),
            *shell_command.rules(),
            QueryRule(BuiltPackage, [MinimalDockerImageFieldSet]),
            QueryRule(RunRequest, [MinimalDockerImageRunFieldSet]),
            QueryRule(Snapshot, [Digest]),
            QueryRule(DigestContents, [Digest]),
        ],
        target_types=[
            *register.target_types(),
            ArchiveTarget,
            FileTarget,
            ShellCommandTarget,
        ],
        aliases=[register.build_file_aliases()],
    )
    set_options(rule_runner)
    rule_runner.write_files(
        {
            "app/BUILD": dedent(BUILD),
            "app/hello.sh": "#!/bin/sh\necho hello\n",
            "app/app.toml": "a = 1\n",
        }
    )
    os.chmod(os.path.join(rule_runner.build_root, "app/hello.sh"), 0o755)
    return rule_runner


def build(rule_runner: RuleRunner, name: str, *args: str) -> BuiltPackage:
    set_options(rule_runner, args)
    target = rule_runner.get_target(Address("app", target_name=name))
    return rule_runner.request(BuiltPackage, [MinimalDockerImageFieldSet.create(target)])


def contents(rule_runner: RuleRunner, digest: Digest) -> dict[str, bytes]:
    return {file.path: file.content for file in rule_runner.request(DigestContents, [digest])}


def blob(files: dict[str, bytes], digest: str) -> Any:
    return json.loads(files["layout/blobs/" + digest.replace(":", "/")])


def test_a_script_with_its_interpreter(rule_runner: RuleRunner) -> None:
    built = build(rule_runner, "script_image")
    artifact, info_artifact, sbom_artifact = built.artifacts
    assert isinstance(artifact, BuiltMinimalImage) and artifact.layout is not None
    assert artifact.relpath == "app/script_image.tar"
    assert info_artifact.relpath == "app/script_image.docker-info.json"
    called = ["app/script_image:1", "app/script_image:latest"]
    assert [str(name) for name in artifact.names] == called
    assert any("this machine's own" in line for line in artifact.extra_log_lines)

    written = contents(rule_runner, built.digest)
    assert sbom_artifact.relpath == "app/script_image.cdx.json"
    assert sorted(written) == [sbom_artifact.relpath, info_artifact.relpath, artifact.relpath]
    bill = json.loads(written["app/script_image.cdx.json"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    info = json.loads(written[info_artifact.relpath])
    assert info["artifact"] == artifact.relpath
    assert [tag["name"] for tag in info["registries"][0]["tags"]] == called
    assert artifact.manifest == info["manifests"][0]["digest"]
    assert artifact.sbom is not None
    assert (
        artifact.sbom.file_digest.fingerprint == sha256(written[sbom_artifact.relpath]).hexdigest()
    )

    layout = contents(rule_runner, artifact.layout)
    manifest = blob(layout, info["manifests"][0]["digest"])
    for layer in manifest["layers"]:
        assert "layout/blobs/" + layer["digest"].replace(":", "/") in layout
    config = blob(layout, manifest["config"]["digest"])["config"]
    assert config["Entrypoint"] == ["/made"]
    assert config["Cmd"] == ["one", "two"]
    assert [entry for entry in config["Env"] if not entry.startswith("PATH=")] == ["Z=1", "A=2"]
    assert config["User"] == "65532:65532"
    assert config["WorkingDir"] == "/tmp"
    assert config["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert config["Volumes"] == {"/data": {}}
    assert config["StopSignal"] == "SIGINT"
    assert config["Labels"] == {"a": "b"}


def test_an_archive_is_unpacked_and_output_path_is_the_tar(rule_runner: RuleRunner) -> None:
    built = build(rule_runner, "packed_image")
    artifact, info_artifact, sbom_artifact = built.artifacts
    assert artifact.relpath == "there/x.tar"
    assert info_artifact.relpath == "there/x.docker-info.json"
    assert isinstance(artifact, BuiltMinimalImage) and artifact.layout is not None
    layout = contents(rule_runner, artifact.layout)
    info = json.loads(contents(rule_runner, built.digest)["there/x.docker-info.json"])
    manifest = blob(layout, info["manifests"][0]["digest"])
    config = blob(layout, manifest["config"]["digest"])["config"]
    assert config["Entrypoint"] == ["/hello.sh"]
    assert [str(name) for name in artifact.names] == ["packed_image:latest"]


def test_the_default_repository(rule_runner: RuleRunner) -> None:
    built = build(rule_runner, "packed_image", "--minimg-default-repository={directory}/{name}")
    assert isinstance(built.artifacts[0], BuiltMinimalImage)
    assert [str(name) for name in built.artifacts[0].names] == ["app/packed_image:latest"]


REGISTRIES = """--minimg-registries={
    "main": {"address": "main.example.org", "default": True, "extra_image_tags": ["extra"]},
    "mine": {"address": "example.org:5000", "use_local_alias": True},
}"""


@pytest.mark.parametrize(
    "options,expected",
    [
        ([REGISTRIES], ["main.example.org/packed_image:latest", "…:extra"]),
        (
            ["--docker-registries={'default': {'address': 'docker.example.org'}}"],
            ["docker.example.org/packed_image:latest"],
        ),
        (
            [REGISTRIES, "--docker-registries={'default': {'address': 'docker.example.org'}}"],
            ["main.example.org/packed_image:latest", "…:extra"],
        ),
    ],
)
def test_the_registries_of_the_options(
    rule_runner: RuleRunner, options: list[str], expected: list[str]
) -> None:
    built = build(rule_runner, "packed_image", *options)
    assert isinstance(built.artifacts[0], BuiltMinimalImage)
    names = [str(name) for name in built.artifacts[0].names]
    assert names == [name.replace("…", "main.example.org/packed_image") for name in expected]
    info = json.loads(contents(rule_runner, built.digest)["there/x.docker-info.json"])
    (registry,) = info["registries"]
    assert registry["address"] == names[0].split("/")[0]
    assert registry["repository"] == "packed_image"
    assert [tag["name"] for tag in registry["tags"]] == names
    layout = contents(rule_runner, built.artifacts[0].layout or built.digest)
    assert json.loads(layout["layout/manifest.json"])[0]["RepoTags"] == names


def failure(rule_runner: RuleRunner, name: str, *args: str) -> tuple[Exception, list[str]]:
    with pytest.raises(ExecutionError) as caught:
        build(rule_runner, name, *args)
    cause = list(caught.value.wrapped_exceptions)[0]
    assert isinstance(cause, Exception)
    return cause, str(cause).splitlines()


def test_no_program_lists_what_there_is(rule_runner: RuleRunner) -> None:
    cause, lines = failure(rule_runner, "no_program")
    assert isinstance(cause, BundlerError)
    assert all(line.startswith("MINIMG-E0") for line in lines)
    assert "app.toml" in lines[0]


def test_all_that_is_missing_in_one_error(rule_runner: RuleRunner) -> None:
    cause, lines = failure(rule_runner, "no_such")
    assert isinstance(cause, BundlerError)
    assert sorted(line.split(" ")[0] for line in lines) == ["MINIMG-E002", "MINIMG-E009"]


def test_a_bad_name_is_told_before_any_process(rule_runner: RuleRunner) -> None:
    _, lines = failure(rule_runner, "bad_name")
    line = "\n".join(lines)
    assert line.startswith("MINIMG-E018 app:bad_name: `repository`: 'app//x' is no repository")


def test_an_option_that_is_wrong_is_told_before_any_process(rule_runner: RuleRunner) -> None:
    _, lines = failure(rule_runner, "packed_image", "--minimg-registries={'x': {}}")
    assert "\n".join(lines).startswith("MINIMG-E033 [minimg].registries: 'x': `address` is missing")


@needs_no_remote_machine
def test_remote_execution_is_refused_before_any_process(rule_runner: RuleRunner) -> None:
    _, lines = failure(
        rule_runner,
        "elsewhere",
        "--remote-execution",
        "--remote-execution-address=grpc://127.0.0.1:1",
    )
    line = "\n".join(lines)
    assert line.startswith("MINIMG-E019 app:elsewhere: ") and "`debian_sysroot`" in line


def run_request(rule_runner: RuleRunner, name: str, *args: str) -> RunRequest:
    set_options(rule_runner, args)
    target = rule_runner.get_target(Address("app", target_name=name))
    return rule_runner.request(RunRequest, [MinimalDockerImageRunFieldSet.create(target)])


def test_run(rule_runner: RuleRunner) -> None:
    request = run_request(rule_runner, "script_image")
    assert request.args == ("/bin/sh", "{chroot}/minimg_run.sh")
    files = contents(rule_runner, request.digest)
    assert sorted(files) == [
        "app/script_image.cdx.json",
        "app/script_image.docker-info.json",
        "app/script_image.tar",
        "minimg_run.sh",
    ]
    script = files["minimg_run.sh"].decode()
    assert "/app/script_image.tar" in script and " app/script_image:1 " in script


def test_a_layout_instead_of_the_tar(rule_runner: RuleRunner) -> None:
    built = build(rule_runner, "layout_image")
    artifact = built.artifacts[0]
    assert isinstance(artifact, BuiltMinimalImage) and artifact.layout is not None
    assert artifact.relpath == "app/layout_image" and not artifact.is_tar
    written = contents(rule_runner, built.digest)
    layout = {
        path[len("layout/") :]: content
        for path, content in contents(rule_runner, artifact.layout).items()
    }
    assert {f"app/layout_image/{path}": content for path, content in layout.items()} == {
        path: content for path, content in written.items() if path.startswith("app/layout_image/")
    }
    assert sorted(set(written) - {f"app/layout_image/{path}" for path in layout}) == [
        "app/layout_image.cdx.json",
        "app/layout_image.docker-info.json",
    ]
    plain = build(rule_runner, "packed_image").artifacts[0]
    assert isinstance(plain, BuiltMinimalImage)
    assert plain.manifest == artifact.manifest


def test_a_layout_becomes_a_tar_to_be_run(rule_runner: RuleRunner) -> None:
    files = contents(rule_runner, run_request(rule_runner, "layout_image").digest)
    assert sorted(files) == ["image.tar", "minimg_run.sh"]
    assert files["image.tar"] == contents(rule_runner, build(rule_runner, "packed_image").digest)[
        "there/x.tar"
    ].replace(b"packed_image", b"layout_image")


def test_the_plan_beside_the_image_verifies_it(
    rule_runner: RuleRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--minimg-plans", "--minimg-annotations={'org.example.team': 'build'}"]
    built = build(rule_runner, "script_image", *options)
    paths = [artifact.relpath for artifact in built.artifacts]
    assert paths[-1] == "app/script_image.plan.json"
    for path, content in contents(rule_runner, built.digest).items():
        (tmp_path / Path(path).name).write_bytes(content)
    image, info, _, plan = [str(tmp_path / Path(str(path)).name) for path in paths]
    assert bundler.main(["verify", image, "--plan", plan, "--info", info]) == 0
    artifact = built.artifacts[0]
    assert isinstance(artifact, BuiltMinimalImage) and artifact.layout is not None
    manifest = blob(contents(rule_runner, artifact.layout), artifact.manifest)
    assert manifest["annotations"] == {"org.example.team": "build"}


def test_the_page_beside_the_image(rule_runner: RuleRunner) -> None:
    built = build(rule_runner, "script_image", "--minimg-html")
    assert built.artifacts[-1].relpath == "app/script_image.html"
    page = contents(rule_runner, built.digest)["app/script_image.html"].decode()
    assert "<td>named in `executables`</td>" in page or "<td>built by app:" in page
    assert "</html>" in page


def test_why(rule_runner: RuleRunner, tmp_path: Path) -> None:
    def said(*args: str) -> str:
        set_options(rule_runner)
        result = rule_runner.run_goal_rule(MinimgWhy, args=args, env_inherit=INHERITED)
        assert result.exit_code == 0
        return str(result.stdout)

    lines = said("app:script_image", "--", "/etc/app.toml").splitlines()
    assert lines == ["/etc/app.toml (6 B)", "  built by app:config"]
    assert " in all" in said("app:script_image").splitlines()[0]
    found = json.loads(said("--json", "app:script_image", "--", "made"))
    assert found["paths"][0]["path"] == "/made"


def test_diff(rule_runner: RuleRunner, tmp_path: Path) -> None:
    paths = []
    for name in ("script_image", "packed_image"):
        built = build(rule_runner, name)
        content = contents(rule_runner, built.digest)[str(built.artifacts[0].relpath)]
        (tmp_path / f"{name}.tar").write_bytes(content)
        paths.append(str(tmp_path / f"{name}.tar"))
    result = rule_runner.run_goal_rule(
        MinimgDiff, args=["--format=json", "--", *paths], env_inherit=INHERITED
    )
    found = json.loads(result.stdout)
    removed = {"path": "/etc/app.toml", "kind": "removed", "grown": -6, "detail": "", "reasons": []}
    assert removed in found["paths"]
    with pytest.raises(ExecutionError) as caught:
        rule_runner.run_goal_rule(MinimgDiff, args=["--", paths[0]], env_inherit=INHERITED)
    assert "MINIMG-E018 minimg-diff: 1 images were named" in str(caught.value)


def test_diff_of_what_is_in_the_store(rule_runner: RuleRunner, tmp_path: Path) -> None:
    built = build(rule_runner, "script_image")
    files = contents(rule_runner, built.digest)
    (image,) = json.loads(files["app/script_image.docker-info.json"])["manifests"]
    (tmp_path / "x.tar").write_bytes(files["app/script_image.tar"])
    (tmp_path / "other.tar").write_bytes(
        contents(rule_runner, build(rule_runner, "packed_image").digest)["there/x.tar"]
    )
    stored = f"{image['digest']}:{image['size']}"

    def said(*args: str) -> str:
        result = rule_runner.run_goal_rule(MinimgDiff, args=["--", *args], env_inherit=INHERITED)
        return str(result.stdout)

    assert len(said(stored, f"{tmp_path}/x.tar").splitlines()) == 3
    assert "/etc/app.toml" in said(f"{tmp_path}/other.tar", stored)
    gone = "sha256:" + "0" * 64
    for name, problem in (
        (f"{gone}:{image['size']}", f"MINIMG-E048 {gone}:{image['size']}: "),
        (f"{image['digest']}:7", f"MINIMG-E048 {image['digest']}:7: "),
        (image["digest"], f"MINIMG-E018 {image['digest']}: Pants' store finds a blob by digest"),
    ):
        with pytest.raises(ExecutionError) as caught:
            said(name, stored)
        assert problem in str(caught.value)


def test_diff_where_a_layer_left_the_store(rule_runner: RuleRunner) -> None:
    layer = {"digest": "sha256:" + "1" * 64, "size": 5, "mediaType": oci.LAYER_GZIP}
    config = json.dumps({"os": "linux", "architecture": "amd64"}).encode()
    manifest = json.dumps(
        {
            "mediaType": oci.MANIFEST,
            "config": {"digest": f"sha256:{sha256(config).hexdigest()}", "size": len(config)},
            "layers": [layer],
        }
    ).encode()
    rule_runner.request(
        Digest, [CreateDigest([FileContent("a", config), FileContent("b", manifest)])]
    )
    stored = f"sha256:{sha256(manifest).hexdigest()}:{len(manifest)}"
    with pytest.raises(ExecutionError) as caught:
        rule_runner.run_goal_rule(MinimgDiff, args=["--", stored, stored], env_inherit=INHERITED)
    assert f"MINIMG-E048 {stored}: it is not, or no longer whole" in str(caught.value)


@pytest.mark.parametrize(
    "args,said",
    [
        (["app:script_image", "--", "x.tar"], "E018 minimg-diff: both `--since` and two images"),
        (["app:config"], "E016 minimg-diff: no `minimal_docker_image` was named"),
    ],
)
def test_diff_since_of_nothing(rule_runner: RuleRunner, args: list[str], said: str) -> None:
    with pytest.raises(ExecutionError) as caught:
        rule_runner.run_goal_rule(MinimgDiff, args=["--since=x", *args], env_inherit=INHERITED)
    assert said in str(caught.value)


def test_diff_since_where_nothing_was_touched(rule_runner: RuleRunner) -> None:
    result = rule_runner.run_goal_rule(MinimgDiff, args=["--since=x"], env_inherit=INHERITED)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "minimg-diff: no image to compare.\n"


def test_run_with_options_by_the_name_for_this_machine(rule_runner: RuleRunner) -> None:
    options = [REGISTRIES, "--minimg-run-args=--read-only --network=none"]
    request = run_request(rule_runner, "named_image", *options)
    script = contents(rule_runner, request.digest)["minimg_run.sh"].decode()
    assert " --read-only --network=none -p 80:80 mine/named:1 " in script


@pytest.mark.parametrize(
    "value,tar,stem",
    [
        (None, "a.b/image.tar", "a.b/image"),
        ("x/y.tar", "x/y.tar", "x/y"),
        ("x/y", "x/y", "x/y"),
    ],
)
def test_artifact_paths(value: str | None, tar: str, stem: str) -> None:
    field = OutputPathField(value, Address("a/b", target_name="image"))
    paths = ArtifactPaths.of(field, tar=True)
    assert (paths.image, paths.info, paths.sbom(), paths.sbom("arm64"), paths.plan()) == (
        tar,
        f"{stem}.docker-info.json",
        f"{stem}.cdx.json",
        f"{stem}.arm64.cdx.json",
        f"{stem}.plan.json",
    )


def test_the_folder_of_a_layout_is_named_as_the_target() -> None:
    field = OutputPathField(None, Address("a/b", target_name="image"))
    paths = ArtifactPaths.of(field, tar=False)
    assert (paths.image, paths.info) == ("a.b/image", "a.b/image.docker-info.json")


@pytest.mark.parametrize(
    "of_host,upx_of_host,layers,pack,word",
    [
        (True, True, ["layers/2.json"], ["x"], "libraries"),
        (True, False, ["layers/3.json"], [], None),
        (False, True, ["layers/2.json"], ["x"], "UPX"),
        (False, True, ["layers/2.json"], [], None),
        (False, False, ["layers/2.json"], ["x"], None),
    ],
)
def test_what_depends_on_this_machine_is_said(
    of_host: bool, upx_of_host: bool, layers: list[str], pack: list[str], word: str | None
) -> None:
    steps = {"layers": [{"projection": path} for path in layers], "pack": pack, "log": ["said"]}
    first, *lines = package.remarks(closure.Planned({}, steps), of_host, upx_of_host)
    assert first == "said"  # the plan's own lines come first
    assert len(lines) == (word is not None)
    assert word is None or word in lines[0]


def test_every_field_reaches_a_request() -> None:
    """No dead field: a value that is set is in what the bundler reads."""
    elsewhere = {
        "binary", "extra_binaries", "files",  # trees
        "upx_args", "upx_check",  # arguments of `pack` and `packtrial`
        "sysroot", "packages", "architecture", "alternatives",  # the sysroot's own request
        "registries", "repository", "image_tags", "output_path",  # names
        "skip_push", "attach_sbom", "extra_run_args",  # publish and run
        "format", "architectures",  # what is written, and how many
        "dependencies", "environment", "tags", "description",  # Pants' own
    }  # fmt: skip
    values: dict[str, Any] = {
        "binary": ":b", "install_to": "/I", "executables": ["/E"], "include": ["/N"],
        "exclude": ["/X"], "directories": {"/D": "0700"}, "extra_libraries": ["L"],
        "allowed_missing": ["M"], "upx": True, "entrypoint": ["/P"], "cmd": ["C"],
        "env": {"V": "W"}, "workdir": "/K", "user": "1:2", "ports": ["9"], "volumes": ["/O"],
        "stop_signal": "SIGHUP", "image_labels": {"B": "A"}, "presets": ["passwd"],
        "package_records": False, "dlopen": "suggested", "nss": False, "libgcc": False,
        "allowed_libraries": ["A"], "allowed_secrets": ["/S"], "python_stdlib": "all",
        "python_bytecode": False,
        "max_size": "1B", "max_wire_size": "2B",
        "healthcheck": image_healthcheck("/H"), "annotations": {"Q": "R"},
    }  # fmt: skip
    known = {field.alias for field in MinimalDockerImageTarget.core_fields}
    assert known == elsewhere | set(values)

    def requests(**given: Any) -> str:
        target = MinimalDockerImageTarget(given, Address("a", target_name="t"))
        field_set = MinimalDockerImageFieldSet.create(target)
        told = Metadata(field_set.image_labels.value or {}, field_set.annotations.value or {})
        return json.dumps(
            [package.plan_request(field_set, []), package.image_request(field_set, [], "x", told)]
        )

    plain = requests(binary=":b")
    for alias, value in values.items():
        if alias != "binary":
            assert requests(binary=":b", **{alias: value}) != plain, alias


@pytest.mark.parametrize(
    "value,priorities",
    [
        ("none", []),
        ("required", ["required"]),
        ("recommended", ["required", "recommended"]),
        ("suggested", ["required", "recommended", "suggested"]),
    ],
)
def test_a_priority_brings_those_above_it(value: str, priorities: list[str]) -> None:
    target = MinimalDockerImageTarget(
        {"binary": ":b", "dlopen": value}, Address("a", target_name="t")
    )
    request = package.plan_request(MinimalDockerImageFieldSet.create(target), [])
    assert list(request["dlopen"]) == priorities
