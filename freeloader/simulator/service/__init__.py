"""The running simulator: its state, one request at a time, the control API, the sockets."""
