"""The status panel: a pure state, a live widget, a static twin."""
