"""First-party plug-ins: one data file, `plugins.toml`, and thin modules that are imported on use."""
