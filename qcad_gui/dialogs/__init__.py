"""One dialog per file. A dialog knows the `Session`, commands, forms, messages, the theme and the scene, never another dialog or a panel."""
