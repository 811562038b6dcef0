"""Many runs at once: which settings they try, who trains them, and the directory that holds them."""
