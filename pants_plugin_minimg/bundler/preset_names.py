"""What a preset is called.

`runtime.py` makes the first four, `implicit/sysroot_data.py` the next two,
`implicit/charsets.py` the others.
"""

CA_CERTIFICATES, PASSWD, TMP, NSSWITCH = "ca-certificates", "passwd", "tmp", "nsswitch"
TZDATA, SERVICES = "tzdata", "services"
C_UTF8, GCONV = "c-utf8", "gconv"

NAMES = (CA_CERTIFICATES, PASSWD, TMP, NSSWITCH, TZDATA, SERVICES, C_UTF8, GCONV)
