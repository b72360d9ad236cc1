"""For us and for plug-in authors: a frozen clock, a scripted identity provider, a recording upstream, contracts."""
