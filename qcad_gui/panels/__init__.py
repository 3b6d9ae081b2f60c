"""One dock per file. A panel knows the `Session`, commands, forms, messages, the theme and the scene, never another panel."""
