"""The seam: every call into Pants' engine, in the form that the running Pants takes.

Rules say `from pants_plugin_minimg import engine` and `await engine.execute_all(...)`. Nothing else
in the plugin knows which form it is, nor where a name lives that moved between versions of Pants.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pants.base.exceptions import BackendConfigurationError
from pants.version import PANTS_SEMVER

from pants_plugin_minimg.engine import _version

_form = _version.form_for(PANTS_SEMVER.release)
if _form is None:
    raise BackendConfigurationError(_version.refusal(str(PANTS_SEMVER)))

_warning = _version.warning(str(PANTS_SEMVER), PANTS_SEMVER.release)
if _warning is not None:
    logging.getLogger(__name__).warning(_warning)

if TYPE_CHECKING or _form is _version.Form.BY_GET:
    from pants_plugin_minimg.engine._by_get import *  # noqa: F403
else:
    from pants_plugin_minimg.engine._by_name import *  # noqa: F403
