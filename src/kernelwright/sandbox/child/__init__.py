"""What runs inside the sandbox: imports torch and triton, then captures the launch plans of one candidate."""
