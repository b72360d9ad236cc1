"""For us and for plug-in authors: a frozen clock, a recording upstream."""
