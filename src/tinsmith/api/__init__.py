"""Who asks: the HTTP edge, AWS JSON 1.1."""
