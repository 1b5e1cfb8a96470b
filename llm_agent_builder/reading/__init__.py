"""Agent files back to specs, also edited ones, and changed specs back into them."""
