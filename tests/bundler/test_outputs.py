"""What is there of an output in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pants_plugin_minimg.bundler import outputs


@pytest.mark.parametrize("filled", [False, True])
def test_a_scratch_folder_is_gone_in_the_end(tmp_path: Path, filled: bool) -> None:
    with outputs.scratch(str(tmp_path)) as folder:
        assert Path(folder).parent == tmp_path
        if filled:
            (Path(folder) / "a").mkdir()
            (Path(folder) / "a" / "b").write_bytes(b"x")
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt), outputs.scratch(str(tmp_path)) as folder:
        (Path(folder) / "a").mkdir()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path) -> None:
    with outputs.scratch(str(tmp_path)) as first, outputs.scratch(str(tmp_path)) as second:
        assert first != second
