"""What every program that answers HTTP needs: a server with limits, health, metrics, signals."""
