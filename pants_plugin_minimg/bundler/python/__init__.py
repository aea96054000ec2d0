"""A PEX as files that an interpreter of the sysroot runs at once, without unpacking them."""
