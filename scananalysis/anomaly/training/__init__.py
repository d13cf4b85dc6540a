"""Training, calibration and export of anomaly models. The only room that imports torch (extra ``train``)."""
