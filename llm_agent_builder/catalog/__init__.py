"""What is known of models: sources, lives, capabilities, prices."""
