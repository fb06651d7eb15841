"""Make `%roe` and `%%roe` known to every IPython of this environment; the package is loaded on first use."""

get_ipython().magics_manager.register_lazy("roe", "roe_magic")  # noqa: F821  # IPython runs this file in its own namespace
