"""One loop for base training, further pretraining and tuning."""
