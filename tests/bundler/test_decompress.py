"""Compressed streams: what the compressors wrote comes back, and nothing damaged gets through."""

from __future__ import annotations

import builtins
import gzip
import io
import lzma
import random
from typing import Any

import pytest
import zstandard

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.tars.decompress import chunks

from .debian.debs import compress

RNG = random.Random(6)
# Several blocks of every format: some that compress, some that do not.
CONTENT = b"".join(RNG.randbytes(5000) * 20 for _ in range(8)) + RNG.randbytes(300_000)
FORMATS = ["gz", "xz", "zst"]


def _all(data: bytes) -> bytes:
    return b"".join(chunks(io.BytesIO(data), "it"))


@pytest.mark.parametrize("compression", ["", *FORMATS])
@pytest.mark.parametrize("size", [0, 1, 70_000, len(CONTENT)])
def test_what_was_compressed_comes_back(compression: str, size: int) -> None:
    assert _all(compress(CONTENT[:size], compression)) == CONTENT[:size]


@pytest.mark.parametrize("compression", FORMATS)
def test_streams_that_follow_each_other_are_one(compression: str) -> None:
    two = compress(CONTENT[:1000], compression) + compress(CONTENT[1000:], compression)
    assert _all(two) == CONTENT


@pytest.mark.parametrize("compression", FORMATS)
def test_padding_may_follow(compression: str) -> None:
    assert _all(compress(CONTENT, compression) + b"\0" * 512) == CONTENT


@pytest.mark.parametrize("compression", FORMATS)
def test_other_bytes_may_not_follow(compression: str) -> None:
    with pytest.raises(MinimgError, match="MINIMG-E027 it: .*something else follows"):
        _all(compress(b"content", compression) + b"more")


@pytest.mark.parametrize("compression", FORMATS)
def test_no_cut_off_stream_gets_through(compression: str) -> None:
    whole = compress(CONTENT[:600], compression)
    for length in range(6, len(whole)):
        with pytest.raises(MinimgError, match="MINIMG-E027 it: "):
            _all(whole[:length])


@pytest.mark.parametrize("compression", FORMATS)
def test_a_changed_byte_is_an_error_or_changes_nothing(compression: str) -> None:
    whole = compress(CONTENT[:600], compression)
    rng = random.Random(compression)
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[rng.randrange(6, len(whole))] ^= 1 << rng.randrange(8)
        try:
            found = _all(bytes(damaged))
        except MinimgError as error:
            assert error.code == "MINIMG-E027"
        else:
            assert found == CONTENT[:600]


@pytest.mark.parametrize("compression", FORMATS)
def test_a_bomb_comes_in_small_pieces(compression: str) -> None:
    bomb = compress(b"\0" * (1 << 26), compression)
    assert len(bomb) < 1 << 17
    assert max(map(len, chunks(io.BytesIO(bomb), "it"))) <= 1 << 18


@pytest.mark.parametrize("level", [1, 19])
@pytest.mark.parametrize("size_written", [True, False])
@pytest.mark.parametrize("checksum", [True, False])
def test_all_forms_of_zstd_frames_are_read(level: int, size_written: bool, checksum: bool) -> None:
    packer = zstandard.ZstdCompressor(
        level=level, write_content_size=size_written, write_checksum=checksum
    )
    for content in (b"", b"a", b"\0" * 1_000_000, CONTENT):
        assert _all(packer.compress(content)) == content
        out = packer.compressobj()
        assert _all(out.compress(content) + out.flush()) == content


def test_a_window_beyond_the_bound_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=29, enable_ldm=True)
    out = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(MinimgError, match="MINIMG-E027"):
        _all(out.compress(CONTENT) + out.flush())


def test_an_xz_dictionary_beyond_the_bound_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    small = lzma.compress(CONTENT, filters=filters)
    assert _all(small) == CONTENT
    # The size of the dictionary stands in one byte of the block's header, which has a CRC.
    import zlib

    at = small.index(b"\x21\x01") + 2
    header = bytearray(small[12 : 12 + (small[12] + 1) * 4])
    header[at - 12] = 40  # 4 GiB - 1
    header[-4:] = zlib.crc32(header[:-4]).to_bytes(4, "little")
    with pytest.raises(MinimgError, match="MINIMG-E027.*[Mm]emory"):
        _all(small[:12] + bytes(header) + small[12 + len(header) :])


def test_many_tiny_gzip_members_take_no_time() -> None:
    assert _all(gzip.compress(b"a", mtime=0) * 5000) == b"a" * 5000


def test_many_tiny_zstd_blocks_take_no_time() -> None:
    head = b"\x28\xb5\x2f\xfd\x00\x58"  # a window of 2 MiB, no size, no checksum
    raw = head + b"\x08\x00\x00a" * 100_000 + b"\x01\x00\x00"
    assert _all(raw) == b"a" * 100_000


def test_a_python_without_lzma_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "lzma":
            raise ImportError(name)
        return true_import(name, *args, **kwargs)

    packed = compress(b"content", "xz")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MinimgError, match="MINIMG-E027 it: .*`lzma`.*another interpreter"):
        _all(packed)
