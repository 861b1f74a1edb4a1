"""What is predicted: losses, metrics and baselines of each task; knows no network, file or device."""
