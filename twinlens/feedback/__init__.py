"""What visitors say of answers: stored apart, never trained on unseen."""
