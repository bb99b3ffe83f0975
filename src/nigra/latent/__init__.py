"""The latent space: code tables, numbers, probes, embeddings and how far these can be trusted."""
