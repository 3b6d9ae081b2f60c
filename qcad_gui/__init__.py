"""Q-CAD's window: one view of `solvers`. It owns no physics and no data, and imports neither torch nor h5py."""
