"""Code of the user's in a spec: tools and types of answers, read and never run."""
