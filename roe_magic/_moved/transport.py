"""The module ``roe_magic.transport`` before its names moved: pickles of that time hold them."""

from roe_magic.errors import CertificateRefused as _CertificateRefused  # noqa: F401
