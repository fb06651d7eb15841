"""The notebook: ``%%roe``, ``%roe``, and what Tab offers. The only package that needs IPython."""
