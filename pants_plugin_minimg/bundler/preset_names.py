"""What a preset is called. `runtime.py` makes the first two, `implicit/charsets.py` the others."""

CA_CERTIFICATES, PASSWD = "ca-certificates", "passwd"
C_UTF8, GCONV = "c-utf8", "gconv"

NAMES = (CA_CERTIFICATES, PASSWD, C_UTF8, GCONV)
